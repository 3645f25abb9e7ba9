"""Ports that nobody listens on now."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as held:
        held.bind((host, 0))
        port: int = held.getsockname()[1]
        return port
