"""The address guard: keeps outbound connections that an outsider aims from reaching inside.

It judges the address that is about to be connected to, at the moment the socket is made, so
a name that resolves differently a second later (DNS rebinding) gains nothing.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv6Address,
    ip_address,
    ip_network,
)

# IANA's special-purpose registry, and what clouds answer on behind public-looking addresses.
_V4 = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server
        "169.254.0.0/16",  # link-local; 169.254.169.254 is everyone's metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_V6_UNICAST = ip_network("2000::/3")  # nothing else is on the Internet
_V6 = tuple(
    ip_network(block)
    for block in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: retired (RFC 7526), and hides an IPv4 address
        "3fff::/20",  # documentation
    )
)
# A host without IPv4 of its own reaches all of IPv4 through this prefix (RFC 6052), so the
# address inside is judged. 64:ff9b:1::/48 (RFC 8215) is local and falls to _V6_UNICAST.
_NAT64 = ip_network("64:ff9b::/96")


class Guard:
    """Lets through what is on the public Internet, and the CIDR blocks of `allow`."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow = tuple(ip_network(block) for block in allow)

    def forbids(self, address: str) -> bool:
        """Whether `address`, an IP literal, may not be connected to."""
        if self.allow_lists(address):
            return False
        ip = _unwrap(ip_address(address))
        if isinstance(ip, IPv4Address):
            return any(ip in block for block in _V4)
        return ip not in _V6_UNICAST or any(ip in block for block in _V6)

    def allow_lists(self, address: str) -> bool:
        """Whether `address`, an IP literal, is let through by the allow-list alone."""
        ip = _unwrap(ip_address(address))
        return any(ip in block for block in self._allow)


def _unwrap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip
