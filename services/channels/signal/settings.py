"""Settings of a Signal connection."""

from typing import Annotated, Literal

from pydantic import Field, IPvAnyNetwork, TypeAdapter

from m2n.tenant import Config, HttpAddress

Networks = Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=100)]

PRIVATE: Networks = TypeAdapter(Networks).validate_python(
    ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"]
)
"""Loopback and the ranges that are not routed on the Internet: the gateway belongs into a private network."""


class SignalSettings(Config):
    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
    """The business's own number, as it is registered at the gateway: ``+15550100001``."""
    base_url: HttpAddress
    """The gateway, as in ``http://signal:8080``."""
    receive: Literal["webhook", "websocket"] = "webhook"
    """How messages come: the gateway posts them, or we hold a socket open to it."""
    allowed_addresses: Annotated[Networks, Field(min_length=1)] = PRIVATE
    """Networks that may post webhooks, as in ``10.1.0.0/16``."""
    trusted_proxies: Networks = ()
    """Networks of our own proxies: of their requests the last hop in X-Forwarded-For is the address that counts."""
    read_receipts: bool = True
    """Whether customers are told that their messages were read."""
