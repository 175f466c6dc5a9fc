"""Two network namespaces joined by a wire, captures on them, and truth files.

The client lives in one namespace (10.7.0.2, fd07::2) and the server in the
other (10.7.0.1, fd07::1, also called shop.test), so that fixed ports never
meet those of the machine and nothing else is in the captures. Needs root.
"""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.environ.get("GOR_TESTDATA_OUT", os.path.dirname(HERE))
CLIENT, SERVER = "gor-client", "gor-server"
PYTHON = sys.executable

# The truth's fields, in the order in which they are written.
FIELDS = [
    "connection", "server", "exchange", "method", "target", "version", "status",
    "request_body_length", "request_body_sha256", "response_body_length", "response_body_sha256",
    "interim", "upgraded", "request_complete", "response_complete", "captured",
]


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def run(*command, ns=None, check=True, **options):
    """A command to its end, in a namespace."""
    prefix = ["ip", "netns", "exec", ns] if ns else []
    options.setdefault("timeout", 60)
    result = subprocess.run(prefix + [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, **options)
    if check and result.returncode:
        raise SystemExit(f"{command}: {result.returncode}\n{result.stdout[-2000:]!r}\n{result.stderr[-2000:]!r}")
    return result


class Lab:
    """The namespaces, and the scratch directory of one making."""

    def __enter__(self):
        self.scratch = tempfile.mkdtemp(prefix="gor-testdata-")
        os.chmod(self.scratch, 0o755)
        self.processes = []
        self.tear_down()
        for name in (CLIENT, SERVER):
            run("ip", "netns", "add", name)
            os.makedirs(f"/etc/netns/{name}", exist_ok=True)
            with open(f"/etc/netns/{name}/hosts", "w") as hosts:
                hosts.write("127.0.0.1 localhost\n10.7.0.1 shop.test\nfd07::1 six.test\n")
        run("ip", "link", "add", "gc0", "netns", CLIENT, "type", "veth", "peer", "name", "gs0", "netns", SERVER)
        for name, link, last in ((CLIENT, "gc0", 2), (SERVER, "gs0", 1)):
            run("ip", "addr", "add", f"10.7.0.{last}/24", "dev", link, ns=name)
            run("ip", "addr", "add", f"fd07::{last}/64", "dev", link, "nodad", ns=name)
            run("ip", "link", "set", link, "up", ns=name)
            run("ip", "link", "set", "lo", "up", ns=name)
        self.offload(False)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            self.end(process)
        self.tear_down()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @staticmethod
    def tear_down():
        for name in (CLIENT, SERVER):
            run("ip", "netns", "del", name, check=False)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)

    @staticmethod
    def offload(on):
        """Segmentation offloads: with them the capture has giants, without them it has what goes over a wire."""
        for name, link in ((CLIENT, "gc0"), (SERVER, "gs0")):
            run("ethtool", "-K", link, *[word for what in ("tso", "gso", "gro") for word in (what, "on" if on else "off")], ns=name)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        return path

    def start(self, *command, ns=SERVER, ready=None, **options):
        """A process that goes on; `ready` is what it prints when it serves."""
        process = subprocess.Popen(["ip", "netns", "exec", ns] + [str(word) for word in command],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **options)
        self.processes.append(process)
        process.said = b""
        while ready and ready not in process.said:
            line = process.stdout.readline()
            process.said += line
            if not line:
                raise SystemExit(f"{command} ended: {process.said!r}")
        return process

    def end(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how)
        try:
            return process.said + (process.communicate(timeout=10)[0] or b"")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return b""
        finally:
            if process in self.processes:
                self.processes.remove(process)

    def wait_port(self, port, ns=SERVER, seconds=20):
        end = time.monotonic() + seconds
        while f":{port}".encode() not in run("ss", "-ltn", f"sport = :{port}", ns=ns).stdout:
            if time.monotonic() > end:
                raise SystemExit(f"nobody listens on {port}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def capture(self, name, link="gs0", ns=SERVER, only="", options=()):
        """Everything inside the `with` is captured to `name`; pcapng by dumpcap, pcap by tcpdump."""
        path = os.path.join(OUT, name)
        scratch = self.path("capture-" + name)
        if name.endswith("pcapng"):
            command = ["dumpcap", "-q", "-i", link, "-w", scratch, *options, *(["-f", only] if only else [])]
            ready = b"File: "
        else:
            command = ["tcpdump", "-Z", "root", "--immediate-mode", "-B", "16384", "-n", "-i", link, "-w", scratch, *options, *([only] if only else [])]
            ready = b"listening on"
        process = self.start(*command, ns=ns, ready=ready)
        time.sleep(0.3)
        yield
        time.sleep(0.5)
        said = self.end(process, signal.SIGINT).decode()
        drops = re.search(r"(\d+) packets dropped by kernel|interface '[^']*': \d+/(\d+)", said)
        if drops and int(drops[1] or drops[2]):
            raise SystemExit(f"{name}: the kernel dropped packets: {said}")
        shutil.move(scratch, path)
        os.chmod(path, 0o644)

    def entries(self, log):
        """What a server logged, in the order of connections and of exchanges in them."""
        with open(self.path(log)) as lines:
            entries = [json.loads(line) for line in lines if line.strip()]
        entries.sort(key=lambda entry: (entry["order"], entry["exchange"]))
        return entries

    def fresh(self, log):
        open(self.path(log), "w").close()


def write_truth(name, entries):
    """`name` is the capture's; the truth goes beside it."""
    path = os.path.join(OUT, name.rsplit(".", 1)[0] + ".truth.jsonl")
    exchanges = {}
    with open(path, "w") as out:
        for entry in entries:
            # Counted anew: what was not captured of a connection has been left out.
            entry["exchange"] = exchanges.setdefault(entry["connection"], 0)
            exchanges[entry["connection"]] += 1
            kept = {field: entry[field] for field in FIELDS if field in entry}
            out.write(json.dumps(kept, ensure_ascii=False) + "\n")
    size = os.path.getsize(os.path.join(OUT, name))
    print(f"{name}: {len(entries)} exchanges on {len(exchanges)} connections, {size} bytes", flush=True)
