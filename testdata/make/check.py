"""Compares the truth with what tshark decodes: check.py [CAPTURE…]

Prints one line per capture and every connection on which they differ. It is
a check of the captures, made with a decoder that is not ours; where tshark
itself is at fault, the README of testdata says so.
"""
import collections
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "http.request.method", "http.request.uri", "http.response.code"]


def endpoint(four, six, port):
    # The innermost of a tunnel is the last.
    address = four.split("|")[-1] or "[" + six.split("|")[-1] + "]"
    return f"{address}:{port.split('|')[-1]}"


def decoded(capture):
    command = ["tshark", "-r", capture, "-Y", "http", "-o", "tcp.reassemble_out_of_order:TRUE", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-d", "tcp.port==3128,http"]
    for field in FIELDS:
        command += ["-e", field]
    requests, responses = collections.defaultdict(list), collections.defaultdict(list)
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        four, six, port, to_four, to_six, to_port, methods, targets, statuses = (line.split("\t") + [""] * 9)[:9]
        if methods:
            requests[endpoint(four, six, port)] += list(zip(methods.split("|"), targets.split("|")))
        for status in statuses.split("|") if statuses else []:
            responses[endpoint(to_four, to_six, to_port)].append(int(status))
    return requests, responses


def check(capture):
    truth = capture.rsplit(".", 1)[0] + ".truth.jsonl"
    entries = collections.defaultdict(list)
    for line in open(truth):
        entry = json.loads(line)
        entries[entry["connection"]].append(entry)
    requests, responses = decoded(capture)
    differing = 0
    for connection in sorted({*entries, *requests, *responses}):
        mine = entries.get(connection, [])
        asked = [(entry["method"], entry["target"]) for entry in mine]
        answered = [status for entry in mine for status in [*entry.get("interim", []), entry["status"]]]
        if asked != requests.get(connection, []) or answered != responses.get(connection, []):
            differing += 1
            print(f"  {connection}: truth {len(asked)} requests, {len(answered)} responses; tshark {len(requests.get(connection, []))}, {len(responses.get(connection, []))}")
    total = sum(map(len, entries.values()))
    print(f"{os.path.basename(capture)}: {total} exchanges on {len(entries)} connections, {differing} connections differ")


for one in sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "..", "*.pcap*"))):
    check(one)
