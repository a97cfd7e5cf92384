"""A server that answers what it is told: for the faults that the real one does not have on demand."""

import contextlib
import http.server
import ssl
import threading
import urllib.parse


class Refuser(http.server.ThreadingHTTPServer):
    """answers: (status, headers, body) in order; the last one repeats. seen: the requests."""

    def __init__(self, answers, certificate):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.seen = list(answers), []
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_arguments):
        """A client that does not like the certificate just leaves."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self):
        parts = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append({
            "method": self.command, "path": parts.path, "body": body,
            "query": dict(urllib.parse.parse_qsl(parts.query)), "headers": dict(self.headers)})
        answers = self.server.answers
        status, headers, reply = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = _answer

    def log_message(self, *_arguments):
        pass


@contextlib.contextmanager
def refuser(*answers, certificate=None):
    """certificate: (file of the certificate, file of its key), for TLS."""
    server = Refuser(answers, certificate)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
