"""Names of hosts."""

from __future__ import annotations

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """True if all addresses of `host` reach this machine only; False if it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
