"""Visitors of the shop with Python's http.client: shop_python.py HOST PORT"""
import base64
import http.client
import json
import sys
import threading
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])


def visitor(name, seconds):
    connection = http.client.HTTPConnection(HOST, PORT)

    def ask(method, target, body=None, **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    form = {"Content_Type": "application/x-www-form-urlencoded"}
    login = ask("POST", "/api/login", f"user={name}&password=a+b%26c", **form)
    cookie = "; ".join(value.split(";")[0] for key, value in login.getheaders() if key == "Set-Cookie")
    tag = ask("GET", "/static/style.css").getheader("ETag")
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        turn += 1
        ask("GET", f"/api/products?q=lamp&page={turn}&trace={name}")
        ask("HEAD", f"/api/products/{turn}")
        ask("GET", "/static/style.css", If_None_Match=tag)
        ask("PUT", f"/api/cart/{turn}", json.dumps({"quantity": turn}), Content_Type="application/json", Cookie=cookie)
        ask("GET", "/api/cart", Cookie=cookie)
        ask("GET", f"/products/{turn * 9}")
        time.sleep(0.36)
    token = base64.b64encode(b"admin:open sesame").decode()
    ask("GET", "/api/orders/all")
    ask("GET", "/api/orders/all", Authorization="Basic " + token)
    ask("GET", "/api/health")
    connection.close()


visitors = [threading.Thread(target=visitor, args=(name, 3.2)) for name in ("alan", "barbara")]
for one in visitors:
    one.start()
for one in visitors:
    one.join()
