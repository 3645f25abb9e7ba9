"""Ports that nobody listens on now."""

import os
import socket
from itertools import cycle, islice

# Below those that the system lends to whoever connects, and of each test process its own: a port
# is tried again only when thousands have been given, so none is taken before it is listened on.
_EACH = 2_000
_FIRST = 20_000 + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_OFFSET = os.getpid() * 97 % _EACH  # far from that of a run beside this one
_NUMBERS = cycle(_FIRST + (_OFFSET + n) % _EACH for n in range(_EACH))


def free_port(host: str = "127.0.0.1") -> int:
    for port in islice(_NUMBERS, _EACH):
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((host, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
