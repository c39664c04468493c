"""Listens on the same port as test_server.py."""

import socket
import time

import pytest

PORT = 18573


@pytest.mark.integration
def test_server_restarts():
    for _ in range(2):
        with socket.create_server(("127.0.0.1", PORT)):
            time.sleep(0.15)
