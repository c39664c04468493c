"""Listens on the same port as test_server_restart.py, another gate's."""

import socket
import time

PORT = 18573


def test_server_listens():
    with socket.create_server(("127.0.0.1", PORT)):
        time.sleep(0.3)  # clients come and go
        socket.create_connection(("127.0.0.1", PORT)).close()
