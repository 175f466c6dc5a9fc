"""Clients on bare sockets, for what ordinary clients do not do: raw_client.py WHAT HOST PORT"""
import os
import socket
import struct
import sys
import time

WHAT, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def connect(source=None):
    return socket.create_connection((HOST, PORT), timeout=10, source_address=source)


def until_closed(connection):
    """Everything, to the end."""
    received = b""
    while some := connection.recv(65536):
        received += some
    return received


def get(target, *fields, method="GET", version="HTTP/1.1"):
    lines = [f"{method} {target} {version}", "Host: raw.test", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def pipelining():
    # All at once; the last asks for the connection's end.
    for count in (2, 10, 60):
        connection = connect()
        batch = b"".join(get(f"/bytes/{37 * i}?n={i}") for i in range(count - 1))
        connection.sendall(batch + get("/bytes/5", "Connection: close"))
        until_closed(connection)
    # With bodies between, HEADs and answers without bodies among them.
    connection = connect()
    batch = b""
    for i in range(12):
        batch += get("/echo", f"Content-Length: {3 * i}", method="POST") + b"abc" * i
        batch += get(f"/bytes/{i}", method="HEAD") + get("/status/204") + get("/chunked/300/100?extension&trailer")
        batch += get("/echo", "Transfer-Encoding: chunked", method="PUT") + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailing: yes\r\n\r\n"
    connection.sendall(batch + get("/status/304", "Connection: close"))
    until_closed(connection)
    # Cut anywhere: every segment begins in the middle of something.
    connection = connect()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    batch = b"".join(get(f"/bytes/{i}") for i in range(8)) + get("/bytes/9", "Connection: close")
    for at in range(0, len(batch), 7):
        connection.sendall(batch[at:at + 7])
        time.sleep(0.001)
    until_closed(connection)


def until_close():
    for request in (get("/close/20000"), get("/close/0"), get("/close/3000", version="HTTP/1.0"), get("/bytes/900", version="HTTP/1.0"),
                    get("/close/100", method="HEAD")):
        connection = connect()
        connection.sendall(request)
        until_closed(connection)


def early():
    # The answer comes while the body is on its way, and the connection goes on.
    connection = connect()
    body = b"x" * 40000
    connection.sendall(get("/early-and-stay", f"Content-Length: {len(body)}", method="POST"))
    time.sleep(0.2)
    for at in range(0, len(body), 10000):
        connection.sendall(body[at:at + 10000])
        time.sleep(0.02)
    connection.sendall(get("/bytes/100", "Connection: close"))
    until_closed(connection)


def reset():
    for target in ("/reset/8000", "/reset/60000"):
        connection = connect()
        connection.sendall(get("/bytes/300") + get(target))
        try:
            until_closed(connection)
        except ConnectionResetError:
            pass


def reuse():
    """Three connections from one port, each ended by a reset after its exchanges."""
    for turn in range(3):
        connection = socket.socket(socket.AF_INET)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("0.0.0.0", 45678))
        connection.connect((HOST, PORT))
        for i in range(3):
            connection.sendall(get(f"/bytes/{100 * turn + i}?turn={turn}"))
            want = 100 * turn + i
            received = b""
            while len(received.partition(b"\r\n\r\n")[2]) < want or b"\r\n\r\n" not in received:
                received += connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        time.sleep(0.1)


def websocket():
    connection = connect()
    connection.sendall(get("/bytes/50") + get("/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    time.sleep(0.2)
    # Frames that look like requests, and some that do not.
    for body in (b"hello", b"GET /not-http HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(3000), b"HTTP/1.1 200 OK\r\n\r\n"):
        mask = b"\0\0\0\0"
        size = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
        connection.sendall(b"\x82" + size + mask + body)
        time.sleep(0.05)
    connection.sendall(b"\x88\x80\0\0\0\0")
    until_closed(connection)


def noise():
    """DNS over UDP to nobody (ICMP answers), and a stranger's protocol on TCP."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(5):
        question = struct.pack(">6H", i, 0x100, 1, 0, 0, 0) + b"\x04shop\x04test\0" + struct.pack(">2H", 1, 1)
        udp.sendto(question, (HOST, 53))
        time.sleep(0.02)
    connection = socket.create_connection((HOST, 22), timeout=5)
    connection.recv(1000)
    connection.sendall(b"SSH-2.0-Curious\r\n")
    time.sleep(0.1)
    connection.close()


def in_flight():
    """Three connections of which each is somewhere else when the capture begins (after one second)."""
    idle, slow, uploading = connect(), connect(), connect()
    idle.sendall(get("/bytes/1000"))
    slow.sendall(get("/slow/12/150"))
    uploading.sendall(get("/echo", "Content-Length: 3000", method="POST") + b"u" * 1500)
    time.sleep(1.6)
    uploading.sendall(b"v" * 1500)
    for i in range(5):
        idle.sendall(get(f"/bytes/{200 + i}?idle"))
        time.sleep(0.05)
    uploading.sendall(get("/bytes/77?uploaded", "Connection: close"))
    slow.sendall(get("/bytes/88?slow", "Connection: close"))
    idle.sendall(get("/bytes/99?idle", "Connection: close"))
    for connection in (idle, slow, uploading):
        until_closed(connection)


globals()[WHAT.replace("-", "_")]()
