"""Rewrites a capture as a bad network would have left it.

    damage.py IN OUT [--seed N] [--lose P] [--reorder P] [--duplicate P] [--skew P]

P is the share of the packets with TCP data (and SYN or FIN) to be lost, to
come late (behind up to five later packets, but never behind one that the
other side sent, for that may answer it), to come twice, and to come late
whatever the other side sent (which no network does, but two taps put into one
file do). The timestamps stay in their places, so that time never runs
backwards. The same seed gives the same bytes. pcap and pcapng in, pcap out (Ethernet only).

If IN has a truth beside it, OUT gets one too, in which the exchanges of
connections that lost something are `"captured": "uncertain"`; all others must
still come out whole.
"""
import argparse
import json
import os
import random
import struct


def packets(raw):
    """(nanoseconds, length on the wire, bytes) of each packet."""
    if raw[:4] == b"\x0a\x0d\x0d\x0a":
        yield from pcapng_packets(raw)
        return
    order, scale = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xa1\xb2\x3c\x4d": (">", 1)}[raw[:4]]
    at = 24
    while at < len(raw):
        seconds, fraction, kept, wire = struct.unpack_from(order + "4I", raw, at)
        yield seconds * 10**9 + fraction * scale, wire, raw[at + 16:at + 16 + kept]
        at += 16 + kept


def pcapng_packets(raw):
    at, order, per_second = 0, "<", []
    while at < len(raw):
        if raw[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if raw[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            per_second = []
        kind, length = struct.unpack_from(order + "2I", raw, at)
        if kind == 1:
            resolution, option = 10**6, at + 16
            while option < at + length - 4:
                code, size = struct.unpack_from(order + "2H", raw, option)
                if code == 0:
                    break
                if code == 9:
                    value = raw[option + 4]
                    resolution = 2 ** (value & 127) if value & 128 else 10**value
                option += 4 + (size + 3 & ~3)
            per_second.append(resolution)
        elif kind == 6:
            interface, high, low, kept, wire = struct.unpack_from(order + "5I", raw, at + 8)
            yield (high << 32 | low) * 10**9 // per_second[interface], wire, raw[at + 28:at + 28 + kept]
        at += length


def connection(packet):
    """Source, destination, and whether a TCP packet matters to its stream (data, SYN, FIN or RST); or None."""
    kind, at = packet[12:14], 14
    if kind == b"\x08\0" and packet[23] == 6:
        end = at + int.from_bytes(packet[16:18], "big")
        ends = [".".join(map(str, packet[i:i + 4])) for i in (26, 30)]
        at += (packet[14] & 15) * 4
    elif kind == b"\x86\xdd" and packet[20] == 6:
        end = at + 40 + int.from_bytes(packet[18:20], "big")
        ends = ["[" + packet[i:i + 16].hex() + "]" for i in (22, 38)]
        at += 40
    else:
        return None
    source, destination = struct.unpack_from(">2H", packet, at)
    payload = end - at - (packet[at + 12] >> 4) * 4
    return f"{ends[0]}:{source}", f"{ends[1]}:{destination}", bool(payload or packet[at + 13] & 7)


def room(found, place, most):
    """How many packets may overtake this one before the other side sends something."""
    source, destination, _ = connection(found[place][2])
    for ahead in range(1, most + 1):
        if place + ahead >= len(found):
            return ahead - 1
        other = connection(found[place + ahead][2])
        if other and other[:2] == (destination, source):
            return ahead - 1
    return most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=1)
    for kind in ("lose", "reorder", "duplicate", "skew"):
        parser.add_argument("--" + kind, type=float, default=0)
    wanted = parser.parse_args()
    chance = random.Random(wanted.seed)
    with open(wanted.input, "rb") as file:
        found = list(packets(file.read()))
    lost, late, twice, hurt = 0, 0, 0, set()
    line = []  # (place, packet)
    for place, (_, wire, packet) in enumerate(found):
        ends = connection(packet)
        ends = frozenset(ends[:2]) if ends and ends[2] else None
        loses, reorders, duplicates, skews = (chance.random() for _ in range(4))
        if ends and loses < wanted.lose:
            lost += 1
            hurt.add(ends)
            continue
        behind = 0.0
        if ends and skews < wanted.skew:
            behind = chance.randint(1, 5) + 0.5
        elif ends and reorders < wanted.reorder:
            behind = room(found, place, chance.randint(1, 5))
            behind += 0.5 if behind else 0
        late += behind > 0
        line.append((place + behind, wire, packet))
        if ends and duplicates < wanted.duplicate:
            twice += 1
            line.append((place + chance.randint(0, 8) + 0.75, wire, packet))
    line.sort(key=lambda one: one[0])
    # The times of the places, in which the packets now stand.
    with open(wanted.output, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for place, wire, packet in line:
            time = found[min(int(place), len(found) - 1)][0]
            out.write(struct.pack("<4I", time // 10**9, time % 10**9, len(packet), wire) + packet)
    truth = wanted.input.rsplit(".", 1)[0] + ".truth.jsonl"
    if os.path.exists(truth):
        with open(truth) as entries, open(wanted.output.rsplit(".", 1)[0] + ".truth.jsonl", "w") as out:
            for entry in map(json.loads, entries):
                if frozenset((entry["connection"], entry["server"])) in hurt:
                    entry["captured"] = "uncertain"
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")
    print(f"{os.path.basename(wanted.output)}: {lost} packets lost on {len(hurt)} connections, {late} late, {twice} twice, of {len(found)}")


main()
