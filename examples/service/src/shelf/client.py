"""What talks to the server."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import quote, urlsplit


class Client:
    """One request at a time, each over a connection of its own."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{url!r} is no http URL")
        self.host, self.port = parts.hostname, parts.port or 80
        self.timeout_s = timeout_s

    @staticmethod
    def path(key: str) -> str:
        return f"/values/{quote(key, safe='')}"

    def put(self, key: str, value: str) -> None:
        """Raises ValueError for a key that the server refuses."""
        status, body = self._ask("PUT", self.path(key), value.encode())
        if status == 400:
            raise ValueError(body.decode())

    def get(self, key: str) -> str | None:
        status, body = self._ask("GET", self.path(key))
        return body.decode() if status == 200 else None

    def remove(self, key: str) -> bool:
        return self._ask("DELETE", self.path(key))[0] == 204

    def names(self) -> list[str]:
        return self._ask("GET", "/values")[1].decode().split()

    def requests(self) -> int:
        return int(self._ask("GET", "/requests")[1])

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request(method, path, body, {"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
