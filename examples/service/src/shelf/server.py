"""``python -m shelf.server [PORT]``: the store over HTTP.  Port 0, the default, is any free one.

``GET``, ``PUT`` and ``DELETE`` of ``/values/KEY``; ``GET /values`` lists the keys, ``GET /requests`` counts.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shelf.store import Store


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.store = Store()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        store = self.server.store
        if self.path == "/requests":
            self._answer(200, str(store.requests).encode())
            return
        store.count_request()
        if self.path == "/values":
            self._answer(200, "\n".join(store.keys()).encode())
            return
        value = store.get(self._key())
        self._answer(200 if value is not None else 404, value or b"")

    def do_PUT(self) -> None:
        self.server.store.count_request()
        value = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.server.store.put(self._key(), value)
        except ValueError as error:
            self._answer(400, str(error).encode())
        else:
            self._answer(204)

    def do_DELETE(self) -> None:
        self.server.store.count_request()
        self._answer(204 if self.server.store.remove(self._key()) else 404)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests ask often."""

    def _key(self) -> str:
        return self.path.removeprefix("/values/")

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    with Server(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        # Written before it is said: whoever reads the line may rely on the file.
        if "BATCHGATE_OUTPUT" in os.environ:
            output = Path(os.environ["BATCHGATE_OUTPUT"])
            output.write_text(f"SHELF_URL={server.url}\n", encoding="utf-8")
        print("listening on", server.url, flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
