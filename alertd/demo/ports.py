"""Loopback ports: taken ones are told with the option that changes them."""

import socket
from collections.abc import Mapping

from alertd.core.errors import ConfigError

HOST = "127.0.0.1"
DEFAULTS = {
    "api": 8470,
    "public": 8471,
    "twilio": 8472,
    "smtp": 8473,
    "mail": 8474,
    "webhooks": 8475,
}


def settle(wanted: Mapping[str, int]) -> dict[str, int]:
    """Give a free port for each name, 0 standing for any; raises ConfigError for taken ones."""
    held: dict[str, socket.socket] = {}
    taken: list[str] = []
    try:
        for name, port in wanted.items():
            try:
                held[name] = _bind(port)
            except OSError:
                taken.append(
                    f"port {port} is taken: choose another with --{name}-port (0 takes any)"
                )
        if taken:
            raise ConfigError("\n".join(taken))
        return {name: each.getsockname()[1] for name, each in held.items()}
    finally:
        for each in held.values():
            each.close()


def _bind(port: int) -> socket.socket:
    # SO_REUSEADDR as servers set it: a port in TIME_WAIT is free, one that is listened on is not.
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen(1)
    except OSError:
        bound.close()
        raise
    return bound
