"""Whatever may stand between a host and its server: a relay that goes wrong a few times, then
passes everything on."""

import socket
import struct
import threading
import time

HTML = b"<html><body>Please sign in to the hotel's network</body></html>"


def _answer(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def _http_date(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


def _reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def rst_mid_body(client, _upstream):
    client.recv(100)
    _reset(client)


def rst_before_reply(client, upstream):
    """The server has the object, and nobody learns of it."""
    _whole_exchange(client, upstream)
    _reset(client)


def hang_after_200(client, upstream):
    _whole_exchange(client, upstream)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    client.settimeout(60)
    client.recv(1)


def truncated_200(client, upstream):
    client.sendall(_whole_exchange(client, upstream)[:-20])


def saying(reply):
    def fault(client, _upstream):
        _read_request(client)
        client.sendall(reply() if callable(reply) else reply)
    return fault


busy = saying(_answer("503 Service Unavailable", b"{}", "Retry-After: 2"))
# Two years off, and honest about it: only the difference to its own Date counts.
busy_by_date = saying(lambda: _answer("429 Too Many Requests", b"{}",
                                      "Date: " + _http_date(time.time() - 63072000),
                                      "Retry-After: " + _http_date(time.time() - 63072000 + 2)))
portal = saying(_answer("200 OK", HTML, "Content-Type: text/html"))
portal_json = saying(_answer("200 OK", b'{"response":"ok"}', "Content-Type: application/json"))
portal_redirect = saying(_answer("302 Found", b"", "Location: http://127.0.0.1:1/login"))
portal_forbids = saying(_answer("403 Forbidden", HTML, "Content-Type: text/html"))
no_http = saying(b"\0\1\2 what is this\r\n\r\n")
nothing = saying(b"")


def _read_request(client):
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        more = client.recv(65536)
        if not more:
            break
        body += more
    return head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n\r\n" + body


def _whole_exchange(client, upstream):
    request = _read_request(client)
    with socket.create_connection(upstream) as server:
        server.sendall(request)
        reply = b""
        while more := server.recv(65536):
            reply += more
    return reply


class Relay:
    """`with Relay(fault, times, upstream) as relay`: relay.port; relay.when: moments of connections."""

    def __init__(self, fault, times, upstream):
        self.fault, self.times, self.upstream, self.when = fault, times, upstream, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.when.append(time.monotonic())
            threading.Thread(target=self._one, args=(client, len(self.when)), daemon=True).start()

    def _one(self, client, number):
        with client:
            try:
                if number <= self.times:
                    self.fault(client, self.upstream)
                else:
                    client.sendall(_whole_exchange(client, self.upstream))
            except OSError:
                pass
