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
