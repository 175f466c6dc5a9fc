"""What is captured: one function per capture, in `ALL` under the capture's name."""
import os
import time

from lab import CLIENT, HERE, PYTHON, SERVER, run, sha256, write_truth

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


def captured_with(name, **options):
    """A scenario that is only: the Python server, a capture, and what the function does."""
    def decorate(function):
        def whole(lab):
            server = origin(lab)
            with lab.capture(name, **options):
                function(lab)
            time.sleep(0.2)
            lab.end(server)
            write_truth(name, lab.entries("origin.log"))
        ALL[name.rsplit(".", 1)[0]] = whole
        return function
    return decorate


@captured_with("pipelining.pcap")
def pipelining(_):
    raw("pipelining")


@captured_with("expect-continue.pcap", options=["--time-stamp-precision=nano"])
def expect_continue(lab):
    body = lab.write("body", os.urandom(20000))
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
    body = lab.write("chunked-body", os.urandom(30000))
    curl(url + "/chunked/50000/1000", url + "/chunked/3000/1?extension", "-o", "/dev/null", url + "/chunked/0/10?trailer", "-o", "/dev/null",
         url + "/chunked/20000/7000?extension&trailer", "-o", "/dev/null", url + "/gzip/20000", "-o", "/dev/null")
    curl("-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", body, url + "/echo")
    run("node", "-e", f"""(async () => {{ for (let i = 0; i < 4; i++) {{
        const body = new ReadableStream({{ start(c) {{ for (let n = 0; n < 5; n++) c.enqueue(new Uint8Array(100 * n * i).fill(97 + n)); c.close(); }} }});
        await (await fetch("{url}/echo?" + i, {{ method: "POST", body, duplex: "half" }})).arrayBuffer();
    }} }})()""", ns=CLIENT)


@captured_with("upload.pcap")
def upload(lab):
    url = "http://10.7.0.1:8080/echo"
    file = lab.write("file", bytes(range(256)) * 200)
    curl("-F", "name=a picture", "-F", f"file=@{file};type=image/png", "-H", "Expect:", url + "?multipart")
    curl("-T", file, "-H", "Expect:", url + "?put")
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
            curl("-g", url + "/bytes/200000", url + "/tagged", "-o", "/dev/null", ns=SERVER)
    lab.end(server)
    write_truth("ipv6-loopback.pcap", lab.entries("origin.log"))
    server = origin(lab, "fd07::1")
    with lab.capture("ipv6.pcapng"):
        url = "http://six.test:8080"
        curl(url + "/bytes/30000", url + "/slow/3/20", "-o", "/dev/null")
        run("wget", "-q", "-O", "/dev/null", url + "/chunked/4000/100", url + "/bytes/10", ns=CLIENT)
        raw("pipelining", "fd07::1")
    lab.end(server)
    write_truth("ipv6.pcapng", lab.entries("origin.log"))


@scenario
def offloads(lab):
    """The same traffic with and without segmentation offloads."""
    for name, on in (("giants.pcap", True), ("segments.pcap", False)):
        lab.offload(on)
        server = origin(lab)
        body = lab.write("file", b"0123456789abcdef" * 5000)
        with lab.capture(name):
            url = "http://10.7.0.1:8080"
            curl(url + "/bytes/60000", url + "/bytes/30000", "-o", "/dev/null", url + "/chunked/20000/5000", "-o", "/dev/null", url + "/bytes/3", "-o", "/dev/null")
            curl("-T", body, "-H", "Expect:", url + "/early-and-stay")
        lab.end(server)
        write_truth(name, lab.entries("origin.log"))
    lab.offload(False)


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


@captured_with("snaplen.pcap", options=["-s", "200"])
def snaplen(_):
    some_traffic()


@captured_with("requests-only.pcap", only="dst port 8080")
def requests_only(_):
    some_traffic()


@captured_with("responses-only.pcap", only="src port 8080")
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


for kind in ("vxlan", "gre", "vlan", "qinq", "ipip", "erspan", "geneve", "gtpu"):
    ALL[kind] = through(kind)


@scenario
def go_server(lab):
    lab.fresh("go.log")
    server = lab.start(go(lab), "serve", "10.7.0.1:8080", lab.path("go.log"), ready=b"ready")
    with lab.capture("go.pcap"):
        run(go(lab), "client", "http://shop.test:8080", ns=CLIENT)
    lab.end(server)
    write_truth("go.pcap", lab.entries("go.log"))
