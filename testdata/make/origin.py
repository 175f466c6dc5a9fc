"""A server on Python's http.server that logs every exchange: origin.py ADDRESS PORT LOG

Bodies are digested as the application sent or got them: without chunk
framing, with their content coding.

    /bytes/N            N bytes with a Content-Length
    /chunked/N/SIZE     N bytes in chunks of SIZE; ?extension and ?trailer
    /gzip/N             N bytes, gzipped
    /slow/PIECES/MS     pieces of 100 bytes, each MS milliseconds after the last
    /close/N            N bytes without any length, until the connection's end
    /reset/N            announces N bytes, sends half of them and resets the connection
    /status/CODE        an answer without a body
    /tagged             with an ETag; 304 when it is known
    /echo               the request's body
    /store              201 and how much came
    /early              413 before the request's body was read
    /early-and-stay     the same, but the connection goes on
    /hints              103 before the answer
    /socket             a WebSocket that echoes
"""
import base64
import gzip
import hashlib
import http.server
import json
import socket
import struct
import sys
import threading
import time

ADDRESS, PORT, LOG = sys.argv[1], int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
connections = 0


def text(length):
    line = b"The quick brown fox jumps over the lazy dog, number %06d.\n"
    return b"".join(line % i for i in range(length // 50 + 1))[:length]


def endpoint(address):
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "origin"

    def setup(self):
        global connections
        super().setup()
        with lock:
            connections += 1
            self.order = connections
        self.exchange = 0
        self.interim = []

    def handle_expect_100(self):
        if self.path.startswith("/early"):
            return True
        self.interim.append(100)
        return super().handle_expect_100()

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, body=b"", pieces=None, length=True, **headers):
        self.status, self.sent = status, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length and status not in (204, 304) and status >= 200:
            self.send_header("Content-Length", len(body))
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":
            self.send_header("Connection", "keep-alive")
        self.end_headers()
        if self.command == "HEAD" or status in (204, 304):
            return
        for piece in pieces or [body]:
            self.wfile.write(piece)
        self.sent = body

    def chunks(self, body, size, extension, trailer):
        for i, at in enumerate(range(0, len(body), size)):
            piece = body[at:at + size]
            name = b';part="%d"' % i if extension else b""
            yield b"%x%s\r\n%s\r\n" % (len(piece), name, piece)
        end = b"X-Digest: %s\r\nX-Pieces: many\r\n" % hashlib.sha256(body).hexdigest().encode()
        yield b"0\r\n" + (end if trailer else b"") + b"\r\n"

    def respond(self):
        path, _, query = self.path.partition("?")
        words = path.strip("/").split("/")
        numbers = [int(word) for word in words[1:] if word.isdigit()]
        extra, early = {}, words[0].startswith("early")
        received = None if early else self.read_body()
        if words[0] == "bytes":
            self.answer(200, text(numbers[0]), Content_Type="text/plain")
        elif words[0] == "chunked":
            body = text(numbers[0])
            pieces = self.chunks(body, numbers[1], "extension" in query, "trailer" in query)
            fields = {"Trailer": "X-Digest, X-Pieces"} if "trailer" in query else {}
            self.answer(200, body, pieces, length=False, Transfer_Encoding="chunked", **fields)
        elif words[0] == "gzip":
            self.answer(200, gzip.compress(text(numbers[0]), mtime=0), Content_Encoding="gzip")
        elif words[0] == "slow":
            body = text(100 * numbers[0])

            def slowly():
                for i in range(numbers[0]):
                    time.sleep(numbers[1] / 1000)
                    yield body[100 * i:100 * i + 100]
            self.answer(200, body, slowly())
        elif words[0] == "close":
            self.close_connection = True
            self.answer(200, text(numbers[0]), length=False)
        elif words[0] == "reset":
            body = text(numbers[0])
            self.answer(200, body, [body[:numbers[0] // 2]])
            time.sleep(0.05)
            extra["response_complete"] = False
            self.sent = body[:numbers[0] // 2]
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif words[0] == "status":
            self.answer(numbers[0])
        elif words[0] == "tagged":
            body = text(700)
            known = self.headers.get("If-None-Match") == '"fox"'
            self.answer(304 if known else 200, body, ETag='"fox"')
        elif words[0] == "echo":
            self.answer(200, received, Content_Type=self.headers.get("Content-Type", "application/octet-stream"))
        elif words[0] == "store":
            self.answer(201, b"stored %d bytes\n" % len(received))
        elif early:
            self.close_connection = words[0] == "early"
            self.answer(413, b"too much\n")
            if self.close_connection:
                # The client may still be sending: let it read the answer before the end.
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(2)
                want = int(self.headers["Content-Length"])
                while want and (some := self.rfile.read1(min(65536, want))):
                    want -= len(some)
                extra["request_complete"] = want == 0
            else:
                received = self.read_body()
        elif words[0] == "hints":
            self.interim.append(103)
            self.send_response_only(103)
            self.send_header("Link", "</style.css>; rel=preload")
            self.end_headers()
            self.answer(200, text(300))
        elif words[0] == "socket":
            accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.answer(101, length=False, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Accept=accept.decode())
            extra["upgraded"] = True
        else:
            self.answer(404, b"not here\n")
        if self.interim:
            extra["interim"], self.interim = self.interim, []
        entry = {
            "connection": endpoint(self.client_address), "server": endpoint(self.connection.getsockname()),
            "order": self.order, "exchange": self.exchange, "time": time.time_ns(),
            "method": self.command, "target": self.path, "version": self.request_version, "status": self.status,
            "request_body_length": None if received is None else len(received),
            "request_body_sha256": None if received is None else hashlib.sha256(received).hexdigest(),
            "response_body_length": len(self.sent), "response_body_sha256": hashlib.sha256(self.sent).hexdigest(), **extra,
        }
        self.exchange += 1
        with lock, open(LOG, "a") as log:
            log.write(json.dumps(entry) + "\n")
        if extra.get("upgraded"):
            self.echo_frames()

    def echo_frames(self):
        """RFC 6455 frames until one that closes; what comes back is not masked."""
        self.close_connection = True
        while len(start := self.rfile.read(2)) == 2:
            length = start[1] & 127
            if length == 126:
                length = int.from_bytes(self.rfile.read(2), "big")
            elif length == 127:
                length = int.from_bytes(self.rfile.read(8), "big")
            mask = self.rfile.read(4)
            body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(length)))
            size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
            self.wfile.write(start[:1] + size + body)
            if start[0] & 15 == 8:
                return

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = respond

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass  # reset on purpose

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
    request_queue_size = 128

    def shutdown_request(self, request):
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)[:4] != b"\0\0\0\0":
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that went away is part of the plan


server = Server((ADDRESS, PORT), Handler)
print("ready", flush=True)
server.serve_forever()
