"""Who may post webhooks: the gateway signs nothing, so a secret in the address and the poster's network must do."""

import hmac
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import parse_qsl, urlsplit

from m2n.adapters.channel import WebhookRequest
from services.channels.signal.settings import SignalSettings

PATH_SECRET = "path-secret"  # noqa: S105 - the secret's name
QUERY_NAME = "secret"
MAX_FIELDS = 20

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


def is_genuine(request: WebhookRequest, secret: str, settings: SignalSettings) -> bool:
    """The right secret, from an allowed network. Without a secret nobody may."""
    knows = bool(secret) and hmac.compare_digest(given_secret(request.url), secret.encode("utf-8", "surrogatepass"))
    poster = poster_of(request, settings)
    return knows and poster is not None and _within(poster, settings.allowed_addresses)


def given_secret(url: str) -> bytes:
    """The secret in the address's query; empty where there is none, or more than one."""
    try:
        fields = parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return b""
    given = [value for name, value in fields if name == QUERY_NAME]
    return given[0].encode("utf-8", "surrogatepass") if len(given) == 1 else b""


def poster_of(request: WebhookRequest, settings: SignalSettings) -> IpAddress | None:
    """Who made the request. Only a proxy of ours is believed whom it forwards for; None: it cannot be known."""
    peer = _address(request.remote)
    forwarded = request.headers.get("x-forwarded-for", "")
    if peer is None or not forwarded or not _within(peer, settings.trusted_proxies):
        return peer
    return _address(forwarded.rpartition(",")[2].strip())


def _address(text: str) -> IpAddress | None:
    """IPv4 in the disguise of IPv6 is the IPv4 address that it is."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _within(poster: IpAddress, networks: Iterable[Network]) -> bool:
    return any(poster in network for network in networks)
