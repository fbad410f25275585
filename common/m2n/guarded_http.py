"""Requests to addresses that others name (vendors, customers, tenants): they never reach into a private network.

The address that is connected to is looked at, after the name was resolved, so that no name and no redirect leads
inside (OWASP, "Server Side Request Forgery"). Hosts that the operator names (``M2N_PRIVATE_HOSTS``) are free: a gateway
that stands in the own network, a stand-in of a vendor.
"""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx

_NAT64 = ip_network("64:ff9b::/96")


class PrivateAddress(OSError):
    """The address leads into a private network, and the operator has not named its host."""


@dataclass(frozen=True)
class PrivateHosts:
    """What the operator has named: ``host`` for all its ports, or ``host:port``."""

    names: frozenset[str]

    @classmethod
    def read(cls, setting: str) -> "PrivateHosts":
        return cls(frozenset(name.strip().lower() for name in setting.split(",") if name.strip()))

    def has(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        except ValueError:
            return False
        host = (parts.hostname or "").lower()
        shown = f"[{host}]" if ":" in host else host
        return bool(host) and not self.names.isdisjoint({shown, f"{shown}:{port}"})


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the whole internet; addresses that stand for IPv4 ones are looked into."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


@dataclass(frozen=True)
class GuardedHttp:
    """Two pools of connections: one that only goes outside, one for the hosts that the operator has named."""

    outside: aiohttp.ClientSession
    named: aiohttp.ClientSession
    private_hosts: PrivateHosts

    def session(self, url: str) -> aiohttp.ClientSession:
        """The session for requests to that address. They must not follow redirects: each is an address of its own."""
        return self.named if self.private_hosts.has(url) else self.outside


@asynccontextmanager
async def guarded_http(
    private_hosts: str, *, patience: aiohttp.ClientTimeout, keep_alive_s: float = 2.0, limit: int = 256
) -> AsyncIterator[GuardedHttp]:
    """Certificates are checked, no cookie is kept, answers are not unpacked."""
    verified = httpx.create_ssl_context()

    def session(**guard: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=keep_alive_s, ssl=verified, **guard)
        return aiohttp.ClientSession(
            connector=connector, timeout=patience, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async with session(socket_factory=_only_outside) as outside, session() as named:
        yield GuardedHttp(outside, named, PrivateHosts.read(private_hosts))


def blocked(failed: aiohttp.ClientConnectorError) -> bool:
    """Whether a connection was not made because it would have led into a private network."""
    return isinstance(failed.os_error, PrivateAddress) or _within(failed.os_error)


def _within(group: object) -> bool:
    """Where a name has several addresses, the failures of all come together."""
    inner: Iterable[object] = getattr(group, "exceptions", ())
    return any(isinstance(each, PrivateAddress) or _within(each) for each in inner)


def _only_outside(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress("the address leads into a private network")
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    return made
