"""A connection to the gateway that never leads into a private network, unless the operator has named its host.

The gateway's address stands in a tenant's settings. The name is resolved here and the addresses are looked at, as
``m2n.guarded_http`` does for requests; a redirect is not followed, since each is an address of its own.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from m2n.guarded_http import PrivateAddress, PrivateHosts, is_public

WITHIN_S = 5.0
"""For each address of the name."""


async def reach(url: str, private_hosts: PrivateHosts) -> socket.socket:
    """A connected socket for that ``ws`` or ``wss`` address. Raises OSError and TimeoutError; PrivateAddress is one."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    anywhere = private_hosts.has(url)
    allowed = [each for each in found if anywhere or is_public(str(each[4][0]))]
    if not allowed:
        raise PrivateAddress("the gateway's address leads into a private network")
    *before, last = allowed
    for family, _, _, _, address in before:
        try:
            return await _connected(family, address)
        except (OSError, TimeoutError):
            continue
    return await _connected(last[0], last[4])


async def _connected(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        async with asyncio.timeout(WITHIN_S):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
