"""What is captured: one function per capture, in `ALL` under the capture's name."""
import json
import os
import time

from lab import CLIENT, HERE, OUT, PYTHON, SERVER, run, sha256, write_truth

ALL = {}


def scenario(function):
    ALL[function.__name__.replace("_", "-")] = function
    return function


def go(lab):
    """The Go program, built once."""
    path = lab.path("go-program")
    if not os.path.exists(path):
        run("go", "build", "-trimpath", "-o", path, ".", cwd=os.path.join(HERE, "go"), timeout=300,
            env={**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"})
    return path


def chromium(lab, url, ns=CLIENT):
    return lab.start("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-features=Translate,OptimizationHints,MediaRouter",
                     "--user-data-dir=" + lab.path("chromium"), "--remote-debugging-port=0", url, ns=ns)


@scenario
def shop(lab):
    lab.fresh("shop.log")
    server = lab.start("node", os.path.join(HERE, "shop.mjs"), "10.7.0.1", 8080, lab.path("shop.log"), ready=b"ready")
    program = go(lab)
    origin = "http://shop.test:8080"
    with lab.capture("shop.pcapng"):
        browser = chromium(lab, origin + "/")
        end = time.monotonic() + 60
        while not os.path.getsize(lab.path("shop.log")):
            if time.monotonic() > end:
                raise SystemExit("the browser never came")
            time.sleep(0.02)
        visitors = [
            lab.start(PYTHON, os.path.join(HERE, "shop_python.py"), "shop.test", 8080, ns=CLIENT),
            lab.start("node", os.path.join(HERE, "shop_node.mjs"), origin, ns=CLIENT),
            lab.start(program, "shop", origin, ns=CLIENT),
        ]
        jar = lab.path("cookies")
        for i in range(8):
            run("curl", "-sS", "-c", jar, "-b", jar, "--compressed", "-o", "/dev/null", f"{origin}/api/products?page={i}&q=chair%20&sort=name",
                "--next", "-sS", "-b", jar, "-o", "/dev/null", "-u", "admin:open sesame", f"{origin}/api/orders/all",
                "--next", "-sS", "-L", "-o", "/dev/null", f"{origin}/shop",
                "--next", "-sS", "-o", "/dev/null", "-d", "user=curl&password=%E2%82%AC", f"{origin}/api/login", ns=CLIENT)
            time.sleep(0.3)
        for visitor in visitors:
            visitor.wait(20)
        time.sleep(0.3)
        lab.end(browser)
    lab.end(server)
    write_truth("shop.pcapng", lab.entries("shop.log"))


def origin(lab, address="10.7.0.1", port=8080, log="origin.log"):
    """The logging Python server; what it logs is the truth."""
    lab.fresh(log)
    return lab.start(PYTHON, os.path.join(HERE, "origin.py"), address, port, lab.path(log), ready=b"ready")


def raw(what, host="10.7.0.1", port=8080, ns=CLIENT):
    run(PYTHON, os.path.join(HERE, "raw_client.py"), what, host, port, ns=ns)


def curl(*words, ns=CLIENT, check=True):
    return run("curl", "-sS", "-o", "/dev/null", *words, ns=ns, check=check)


def captured_with(name, part=None, **options):
    """A scenario that is only: the Python server, a capture, and what the function does.

    `part` is what of every exchange can be in the capture, if not the whole.
    """
    def decorate(function):
        def whole(lab):
            server = origin(lab)
            with lab.capture(name, **options):
                function(lab)
            time.sleep(0.2)
            lab.end(server)
            entries = lab.entries("origin.log")
            for entry in entries if part else []:
                entry["captured"] = part
            write_truth(name, entries)
        ALL[name.rsplit(".", 1)[0]] = whole
        return function
    return decorate


@captured_with("pipelining.pcap")
def pipelining(_):
    raw("pipelining")


@captured_with("expect-continue.pcap", options=["--time-stamp-precision=nano"])
def expect_continue(lab):
    body = lab.write("body", os.urandom(6000))
    url = "http://10.7.0.1:8080"
    curl("-H", "Expect: 100-continue", "-T", body, url + "/echo", "--next", "-sS", "-o", "/dev/null", url + "/bytes/10")
    curl("-H", "Expect: 100-continue", "-d", "@" + body, url + "/echo?form")
    curl("-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", "-T", body, url + "/echo?chunked")
    # Refused before the body: it is never sent.
    curl("-H", "Expect: 100-continue", "-T", body, url + "/early")
    curl(url + "/hints", url + "/hints?again", "-o", "/dev/null")


@captured_with("early-413.pcap")
def early(lab):
    body = lab.write("big", b"upload " * 40000)
    curl("-H", "Expect:", "--limit-rate", "200k", "-T", body, "http://10.7.0.1:8080/early", check=False)
    raw("early")


@captured_with("until-close.pcap")
def until_close(_):
    raw("until_close")
    run("wget", "-q", "-O", "/dev/null", "http://10.7.0.1:8080/close/5000", ns=CLIENT)
    curl("-0", "http://10.7.0.1:8080/bytes/4000")


@captured_with("reset.pcap")
def reset(_):
    raw("reset")


@captured_with("port-reuse.pcap")
def port_reuse(_):
    raw("reuse")


@captured_with("websocket.pcap")
def websocket(_):
    raw("websocket")


@captured_with("websocket-chromium.pcapng")
def websocket_chromium(lab):
    page = """<script>
    const socket = new WebSocket("ws://10.7.0.1:8080/socket?from=chromium");
    socket.onopen = () => { for (let i = 0; i < 20; i++) socket.send("frame " + i + " ".repeat(i * 40)); };
    let got = 0;
    socket.onmessage = () => { if (++got == 20) socket.close(); };
    </script>"""
    browser = chromium(lab, "file://" + lab.write("page.html", page))
    end = time.monotonic() + 40
    while not os.path.getsize(lab.path("origin.log")) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.5)
    lab.end(browser)


@captured_with("slow.pcap")
def slow(_):
    url = "http://10.7.0.1:8080"
    curl(url + "/slow/10/100", url + "/slow/3/300", "-o", "/dev/null", url + "/chunked/5000/37", "-o", "/dev/null")


@captured_with("no-body.pcap")
def no_body(_):
    url = "http://10.7.0.1:8080"
    some = [word for path in ("/bytes/1000", "/chunked/500/100", "/gzip/4000", "/status/204", "/tagged") for word in ("-o", "/dev/null", url + path)]
    run("curl", "-sS", "-I", *some, ns=CLIENT)
    curl("-H", 'If-None-Match: "fox"', url + "/tagged", url + "/tagged?2", "-o", "/dev/null", url + "/bytes/7", "-o", "/dev/null")
    curl("-X", "DELETE", url + "/status/204", url + "/status/204?2", "-o", "/dev/null", url + "/status/304", "-o", "/dev/null", url + "/status/404", "-o", "/dev/null")
    curl("-X", "OPTIONS", url + "/bytes/0", url + "/bytes/3", "-o", "/dev/null")


@captured_with("chunked.pcap")
def chunked(lab):
    url = "http://10.7.0.1:8080"
    body = lab.write("chunked-body", os.urandom(9000))
    curl(url + "/chunked/30000/1000", url + "/chunked/3000/1?extension", "-o", "/dev/null", url + "/chunked/0/10?trailer", "-o", "/dev/null",
         url + "/chunked/20000/7000?extension&trailer", "-o", "/dev/null", url + "/gzip/20000", "-o", "/dev/null")
    curl("-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", body, url + "/echo")
    run("node", "-e", f"""(async () => {{ for (let i = 0; i < 4; i++) {{
        const body = new ReadableStream({{ start(c) {{ for (let n = 0; n < 5; n++) c.enqueue(new Uint8Array(100 * n * i).fill(97 + n)); c.close(); }} }});
        await (await fetch("{url}/echo?" + i, {{ method: "POST", body, duplex: "half" }})).arrayBuffer();
    }} }})()""", ns=CLIENT)


@captured_with("upload.pcap")
def upload(lab):
    url = "http://10.7.0.1:8080/store"
    file = lab.write("file", bytes(range(256)) * 400)
    curl("-F", "name=a picture", "-F", f"file=@{file};type=image/png", "-H", "Expect:", url + "?multipart")
    curl("-T", lab.write("small", b"put " * 3000), "-H", "Expect:", url.replace("store", "echo") + "?put")
    curl("-d", "a=1&b=2", "--next", "-sS", "-o", "/dev/null", "-X", "PATCH", "-d", "{}", url + "?patch", "--next", "-sS", "-o", "/dev/null", url + "?post", "-d", "c=3", check=False)


@captured_with("wrk.pcap")
def wrk(lab):
    script = lab.write("wrk.lua", 'local n = 0\nfunction request() n = n + 1; return wrk.format("GET", "/slow/1/8?n=" .. n) end\n')
    run("wrk", "-t1", "-c3", "-d1", "-s", script, "http://10.7.0.1:8080/", ns=CLIENT)


@scenario
def ipv6(lab):
    server = origin(lab, "::1")
    with lab.capture("ipv6-loopback.pcap", link="lo"):
        for url in ("http://[::1]:8080",):
            curl("-g", url + "/bytes/100", url + "/chunked/40000/9000", "-o", "/dev/null", url + "/gzip/1000", "-o", "/dev/null", "-d", "x=1", ns=SERVER)
            curl("-g", url + "/bytes/70000", url + "/tagged", "-o", "/dev/null", ns=SERVER)
    lab.end(server)
    write_truth("ipv6-loopback.pcap", lab.entries("origin.log"))
    server = origin(lab, "fd07::1")
    with lab.capture("ipv6.pcapng"):
        url = "http://six.test:8080"
        curl(url + "/bytes/30000", url + "/slow/3/20", "-o", "/dev/null")
        run("wget", "-q", "-O", "/dev/null", url + "/chunked/4000/100", url + "/bytes/10", ns=CLIENT)
        raw("until_close", "fd07::1")
    lab.end(server)
    write_truth("ipv6.pcapng", lab.entries("origin.log"))


@scenario
def offloads(lab):
    """The same traffic with and without segmentation offloads."""
    for name, on in (("giants.pcap", True), ("segments.pcap", False)):
        lab.offload(on)
        server = origin(lab)
        body = lab.write("file", b"0123456789abcdef" * 3000)
        with lab.capture(name):
            url = "http://10.7.0.1:8080"
            curl(url + "/bytes/40000", url + "/bytes/30000", "-o", "/dev/null", url + "/chunked/20000/5000", "-o", "/dev/null", url + "/bytes/3", "-o", "/dev/null")
            curl("-T", body, "-H", "Expect:", url + "/early-and-stay")
        lab.end(server)
        write_truth(name, lab.entries("origin.log"))
    lab.offload(False)


def content(lab):
    """Files to serve: {target: bytes}, under `htdocs`."""
    files = {"/index.html": b"<!doctype html><title>hello</title><p>hello\n", "/empty.txt": b"",
             "/words.txt": b"the same words again and again\n" * 400, "/noise.bin": os.urandom(5000)}
    for target, body in files.items():
        lab.write("htdocs" + target, body)
    os.makedirs(lab.path("htdocs/dav"), exist_ok=True)
    run("chmod", "-R", "a+rwX", lab.path("htdocs"))
    return {**files, "/": files["/index.html"]}


class Curl:
    """curl, and what it wrote of its exchanges: the bodies it got (their coding left on) and sent."""

    def __init__(self, lab):
        self.lab, self.seen = lab, {}

    def __call__(self, *groups):
        """Each group is a list of curl's words for one transfer, with its URL and maybe `body=` first."""
        words, bodies = [], []
        for i, (body, *group) in enumerate(groups):
            bodies.append(body)
            words += ["--next"] * bool(i) + ["-sS", "-o", self.lab.path(f"got-{i}"), "-w", "%{local_port} %{response_code} %{method}\n", *group]
        said = run("curl", *words, ns=CLIENT).stdout.decode().splitlines()
        for i, line in enumerate(said):
            port, status, method = line.split()
            got = b""
            if method != "HEAD" and os.path.exists(self.lab.path(f"got-{i}")):
                with open(self.lab.path(f"got-{i}"), "rb") as file:
                    got = file.read()
            self.seen.setdefault(port, []).append((int(status), method, bodies[i], got))
            if os.path.exists(self.lab.path(f"got-{i}")):
                os.unlink(self.lab.path(f"got-{i}"))


def joined(entries, files, seen):
    """A server's access log with the digests that it lacks: of the files that it served, and of what curl sent and got."""
    for entry in entries:
        heard = seen.get(entry["connection"].rsplit(":", 1)[1])
        bodiless = entry["method"] == "HEAD" or entry["status"] in (204, 304)
        if heard:
            status, method, sent, got = heard[entry["exchange"]]
            if (status, method) != (entry["status"], entry["method"]):
                raise SystemExit(f"curl and the server differ: {status} {method}, {entry}")
        else:
            sent = b""
            got = files.get(entry["target"].split("?")[0]) if entry["method"] == "GET" and entry["status"] == 200 else None
        if bodiless:
            got = b""
        entry["request_body_length"], entry["request_body_sha256"] = len(sent), sha256(sent)
        entry["response_body_length"] = None if got is None else len(got)
        entry["response_body_sha256"] = None if got is None else sha256(got)
    return entries


def static_traffic(lab, files):
    """Several clients at a server of files on port 8080; what curl saw is returned."""
    url = "http://10.7.0.1:8080"
    curl = Curl(lab)
    tag = run("curl", "-sSI", url + "/words.txt", ns=SERVER).stdout.decode()
    tag = [line.split(": ", 1)[1] for line in tag.splitlines() if line.lower().startswith("etag")][0]
    zipped = ["-H", "Accept-Encoding: gzip"]
    curl([b"", url + "/"], [b"", url + "/empty.txt"], [b"", "-I", url + "/words.txt"], [b"", *zipped, url + "/words.txt"],
         [b"", "-H", "If-None-Match: " + tag, url + "/words.txt"], [b"", "-r", "100-1099", url + "/noise.bin"], [b"", url + "/missing?a=b%20c"])
    big = os.urandom(12000)
    body = lab.write("big", big)
    curl([big, "-T", body, "-H", "Expect:", url + "/dav/put.bin"], [b"", url + "/dav/put.bin"],
         [big, "-T", body, "-H", "Expect:", "-H", "Transfer-Encoding: chunked", url + "/dav/chunked.bin"], [b"", "-X", "DELETE", url + "/dav/put.bin"])
    run("wget", "-q", "-O", "/dev/null", url + "/words.txt", url + "/index.html", ns=CLIENT)
    run("ab", "-q", "-k", "-n", "30", "-c", "2", url + "/index.html?ab", ns=CLIENT)
    run("ab", "-q", "-n", "6", "-c", "2", url + "/index.html?one-each", ns=CLIENT)
    run("h2load", "--h1", "-n", "40", "-c", "2", url + "/index.html?h2load", ns=CLIENT)
    run("h2load", "--h1", "-n", "40", "-c", "1", "-m", "8", url + "/index.html?pipelined", ns=CLIENT)
    return curl.seen


def nginx(lab, servers):
    """nginx with an access log that is nearly the truth."""
    temporary = "".join(f"{what}_temp_path {lab.path('nginx-' + what)};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    lab.fresh("nginx.log")
    config = lab.write("nginx.conf", f"""
worker_processes 1; daemon off; user root; pid {lab.path('nginx.pid')}; error_log stderr warn;
events {{}}
http {{
{temporary}
log_format truth escape=json '{{"connection":"$remote_addr:$remote_port","server":"$server_addr:$server_port","order":$connection,"exchange":$connection_requests,'
  '"method":"$request_method","target":"$request_uri","version":"$server_protocol","status":$status}}';
access_log {lab.path('nginx.log')} truth;
types {{ text/html html; text/plain txt; }}
gzip on; gzip_min_length 100; gzip_types text/plain; client_max_body_size 100k;
{servers}
}}
""")
    server = lab.start("nginx", "-p", lab.scratch, "-c", config)
    lab.wait_port(8080)
    return server


def access_log(lab, log):
    """Exchanges counted from 0, those of the client's namespace only."""
    entries = [entry for entry in lab.entries(log) if entry["connection"].split(":")[0] == "10.7.0.2"]
    counted = {}
    for entry in entries:
        entry["exchange"] = counted.setdefault(entry["order"], 0)
        counted[entry["order"]] += 1
    return entries


@scenario
def nginx_files(lab):
    files = content(lab)
    server = nginx(lab, f"""server {{ listen 10.7.0.1:8080; root {lab.path('htdocs')};
        location /dav/ {{ proxy_pass http://unix:{lab.path('store')}; }} }}""")
    # What uploads are passed on to: out of sight of the capture.
    store = lab.start("node", "-e", """
        const files = {};
        require("http").createServer((q, a) => { const parts = []; q.on("data", (d) => parts.push(d)); q.on("end", () => {
            if (q.method === "PUT") { files[q.url] = Buffer.concat(parts); a.writeHead(201); a.end("stored\\n"); }
            else if (q.method === "DELETE") { a.writeHead(204); a.end(); }
            else a.end(files[q.url]); }); }).listen(process.argv[1], () => console.log("ready"));""", lab.path("store"), ready=b"ready")
    with lab.capture("nginx.pcap"):
        seen = static_traffic(lab, files)
    lab.end(server)
    lab.end(store)
    write_truth("nginx.pcap", joined(access_log(lab, "nginx.log"), files, seen))


@scenario
def apache_files(lab):
    files = content(lab)
    lab.fresh("apache.log")
    modules = "".join(f"LoadModule {what}_module /usr/lib/apache2/modules/mod_{what}.so\n"
                      for what in ("mpm_event", "authz_core", "mime", "dir", "dav", "dav_fs", "deflate", "filter"))
    config = lab.write("apache.conf", f"""
ServerRoot {lab.scratch}
PidFile {lab.path('apache.pid')}
ErrorLog {lab.path('apache-error.log')}
ServerName shop.test
Listen 10.7.0.1:8080
{modules}
User www-data
Group www-data
TypesConfig /etc/mime.types
DocumentRoot {lab.path('htdocs')}
DirectoryIndex index.html
DavLockDB {lab.path('htdocs/lock')}
AddOutputFilterByType DEFLATE text/plain
LimitRequestBody 100000
<Location /dav/>
Dav On
</Location>
LogFormat "{{\\"connection\\":\\"%a:%{{remote}}p\\",\\"server\\":\\"%A:%{{local}}p\\",\\"port\\":%{{remote}}p,\\"began\\":%{{begin:usec}}t,\\"exchange\\":%k,\\"method\\":\\"%m\\",\\"target\\":\\"%r\\",\\"version\\":\\"%H\\",\\"status\\":%>s}}" truth
CustomLog {lab.path('apache.log')} truth
""")
    server = lab.start("apache2", "-X", "-f", config)
    lab.wait_port(8080)
    with lab.capture("apache.pcapng"):
        seen = static_traffic(lab, files)
    lab.end(server)
    with open(lab.path("apache.log")) as log:
        entries = [json.loads(line) for line in log]
    # Ports were not reused, and connections are ordered by their first exchange.
    first = {}
    for entry in entries:
        first[entry["port"]] = min(first.get(entry["port"], entry["began"]), entry["began"])
    with open(lab.path("apache.log"), "w") as log:
        for entry in entries:
            entry["target"] = entry["target"].split()[1]
            log.write(json.dumps({**entry, "order": first[entry["port"]]}) + "\n")
    write_truth("apache.pcapng", joined(access_log(lab, "apache.log"), files, seen))


@scenario
def other_protocols(lab):
    """TLS and cleartext HTTP/2 (with prior knowledge, and by upgrade) beside HTTP/1.1."""
    files = content(lab)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", lab.path("key.pem"), "-out", lab.path("cert.pem"),
        "-days", "3650", "-subj", "/CN=shop.test")
    root = f"root {lab.path('htdocs')};"
    server = nginx(lab, f"""server {{ listen 10.7.0.1:8080; {root} }}
        server {{ listen 10.7.0.1:8081 http2; access_log off; {root} }}
        server {{ listen 10.7.0.1:8443 ssl http2; ssl_certificate {lab.path('cert.pem')}; ssl_certificate_key {lab.path('key.pem')}; access_log off; {root} }}""")
    with lab.capture("other-protocols.pcapng"):
        client = Curl(lab)
        for _ in range(1):
            client([b"", "http://10.7.0.1:8080/words.txt"], [b"", "http://10.7.0.1:8080/empty.txt"])
            curl("-k", "--http1.1", "https://10.7.0.1:8443/words.txt")
            curl("-k", "--http2", "https://10.7.0.1:8443/words.txt")
            curl("--http2-prior-knowledge", "http://10.7.0.1:8081/words.txt")
            run("h2load", "-n", "6", "-c", "2", "-m", "3", "http://10.7.0.1:8081/index.html", ns=CLIENT)
            run("nghttp", "-n", "http://10.7.0.1:8081/words.txt", ns=CLIENT)
    lab.end(server)
    write_truth("other-protocols.pcapng", joined(access_log(lab, "nginx.log"), files, client.seen))


def some_traffic(host="10.7.0.1"):
    """A few exchanges of several kinds on five connections, for captures that are about packets."""
    url = f"http://{host}:8080"
    curl(url + "/bytes/5000", url + "/chunked/3000/500", "-o", "/dev/null", url + "/gzip/2000", "-o", "/dev/null", "-d", "a=b&c=d")
    curl(url + "/tagged", url + "/slow/3/30", "-o", "/dev/null", url + "/bytes/12000", "-o", "/dev/null")
    curl("-I", url + "/bytes/100", url + "/bytes/1", "-o", "/dev/null")
    run("wget", "-q", "-O", "/dev/null", url + "/bytes/100", url + "/chunked/100/10", ns=CLIENT)
    run("ab", "-q", "-k", "-n", "10", "-c", "1", url + "/bytes/64", ns=CLIENT)


@captured_with("any-sll2.pcap", link="any", options=["-y", "LINUX_SLL2"])
def any_sll2(_):
    some_traffic()


@captured_with("any-sll.pcap", link="any", options=["-y", "LINUX_SLL"])
def any_sll(_):
    some_traffic()


@captured_with("snaplen.pcap", part="part", options=["-s", "200"])
def snaplen(_):
    some_traffic()


@captured_with("requests-only.pcap", part="request", only="dst port 8080")
def requests_only(_):
    some_traffic()


@captured_with("responses-only.pcap", part="response", only="src port 8080")
def responses_only(_):
    some_traffic()


@scenario
def noise(lab):
    server = origin(lab)
    os.makedirs("/run/sshd", exist_ok=True)
    key = lab.path("host_key")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    ssh = lab.start("/usr/sbin/sshd", "-D", "-e", "-p", "22", "-h", key, "-o", "PidFile=none", "-f", "/dev/null")
    lab.wait_port(22)
    with lab.capture("noise.pcapng"):
        raw("noise")
        some_traffic()
        run("ip", "neigh", "flush", "dev", "gc0", ns=CLIENT)
        raw("noise")
    lab.end(ssh)
    lab.end(server)
    write_truth("noise.pcapng", lab.entries("origin.log"))


@scenario
def proxy(lab):
    server = origin(lab)
    lab.fresh("proxy.log")
    through = lab.start(PYTHON, os.path.join(HERE, "proxy.py"), "10.7.0.1", 3128, lab.path("proxy.log"), ready=b"ready")
    with lab.capture("connect-proxy.pcap"):
        for target in ("http://10.7.0.1:8080/bytes/500", "http://10.7.0.1:9/nobody"):
            curl("-p", "-x", "http://10.7.0.1:3128", target, target + "?again", "-o", "/dev/null", check=False)
    lab.end(through)
    lab.end(server)
    write_truth("connect-proxy.pcap", lab.entries("proxy.log"))


@scenario
def middle(lab):
    """The capture begins when connections are idle, in a response and in an upload."""
    server = origin(lab)
    client = lab.start(PYTHON, os.path.join(HERE, "raw_client.py"), "in-flight", "10.7.0.1", 8080, ns=CLIENT)
    time.sleep(0.5)
    with lab.capture("middle.pcap"):
        client.wait(20)
    lab.end(server)
    kept = []
    for entry in lab.entries("origin.log"):
        if entry["exchange"] == 0:
            if entry["target"].startswith("/bytes"):
                continue  # over before the capture began
            # Of the slow answer the capture has the end; of the upload the end and the whole answer.
            entry["captured"] = "part" if entry["target"].startswith("/slow") else "response"
        kept.append(entry)
    write_truth("middle.pcap", kept)


def through(kind):
    def whole(lab):
        name = kind + ".pcap"
        if kind == "vxlan":
            for ns, link, own, peer in ((CLIENT, "gc0", 2, 1), (SERVER, "gs0", 1, 2)):
                run("ip", "link", "add", "tun0", "type", "vxlan", "id", "42", "dstport", "4789", "local", f"10.7.0.{own}", "remote", f"10.7.0.{peer}", "dev", link, ns=ns)
                run("ip", "addr", "add", f"10.8.0.{own}/24", "dev", "tun0", ns=ns)
                run("ip", "link", "set", "tun0", "up", ns=ns)
            ends = []
        else:
            ends = [lab.start(PYTHON, os.path.join(HERE, "tunnel.py"), kind, link, f"10.7.0.{own}", f"10.7.0.{peer}", f"10.8.0.{own}", ns=ns, ready=b"ready")
                    for ns, link, own, peer in ((CLIENT, "gc0", 2, 1), (SERVER, "gs0", 1, 2))]
        time.sleep(0.3)
        server = origin(lab, "10.8.0.1")
        with lab.capture(name):
            some_traffic("10.8.0.1")
        lab.end(server)
        for end in ends:
            lab.end(end)
        if not ends:
            for ns in (CLIENT, SERVER):
                run("ip", "link", "del", "tun0", ns=ns)
        write_truth(name, lab.entries("origin.log"))
    return whole


for kind in ("vxlan", "gre", "vlan", "qinq", "ipip", "erspan", "geneve", "gtpu", "fragments"):
    ALL[kind] = through(kind)


@scenario
def go_server(lab):
    lab.fresh("go.log")
    server = lab.start(go(lab), "serve", "10.7.0.1:8080", lab.path("go.log"), ready=b"ready")
    with lab.capture("go.pcap"):
        run(go(lab), "client", "http://shop.test:8080", ns=CLIENT)
    lab.end(server)
    write_truth("go.pcap", lab.entries("go.log"))


DAMAGED = [
    ("shop.pcapng", "shop-lossy.pcap", "--lose", "0.01"),
    ("go.pcap", "go-duplicated.pcap", "--duplicate", "0.3", "--reorder", "0.1"),
    ("nginx.pcap", "nginx-lossy.pcap", "--lose", "0.02", "--reorder", "0.1", "--duplicate", "0.1"),
    ("nginx.pcap", "nginx-skewed.pcap", "--skew", "0.1"),
    ("segments.pcap", "segments-reordered.pcap", "--reorder", "0.5", "--duplicate", "0.2"),
]


@scenario
def damaged(_):
    for source, damaged, *how in DAMAGED:
        said = run(PYTHON, os.path.join(HERE, "damage.py"), os.path.join(OUT, source), os.path.join(OUT, damaged), *how).stdout
        print(said.decode().strip(), flush=True)
