"""A CONNECT proxy that logs: proxy.py ADDRESS PORT LOG"""
import hashlib
import json
import socket
import socketserver
import sys
import threading

ADDRESS, PORT, LOG = sys.argv[1], int(sys.argv[2]), sys.argv[3]
order = 0


class Proxy(socketserver.StreamRequestHandler):
    def handle(self):
        global order
        order += 1
        method, target, version = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        host, _, port = target.rpartition(":")
        try:
            onward = socket.create_connection((host, int(port)))
            status = 200
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        except OSError:
            status = 502
            self.wfile.write(b"HTTP/1.1 502 Nobody there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        nothing = {"request_body_length": 0, "request_body_sha256": hashlib.sha256().hexdigest(), "response_body_length": 0,
                   "response_body_sha256": hashlib.sha256().hexdigest()}
        with open(LOG, "a") as log:
            log.write(json.dumps({"connection": "%s:%d" % self.client_address, "server": f"{ADDRESS}:{PORT}", "order": order, "exchange": 0,
                                  "method": method, "target": target, "version": version, "status": status, **nothing,
                                  **({"upgraded": True} if status == 200 else {})}) + "\n")
        if status == 200:
            back = threading.Thread(target=self.pump, args=(onward, self.connection))
            back.start()
            self.pump(self.connection, onward)
            back.join()

    @staticmethod
    def pump(source, sink):
        while some := source.recv(65536):
            sink.sendall(some)
        sink.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


server = Server((ADDRESS, PORT), Proxy)
print("ready", flush=True)
server.serve_forever()
