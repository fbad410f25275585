"""WhatsApp by Twilio, as both peers need it. Standard library only."""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl

_LINE = re.compile(r"(\S+) (c\d+) (\d+)(?!\S)")


@dataclass(frozen=True)
class Settings:
    """``public_url`` is the address that webhooks are signed for, ``vendor`` that of Twilio's API.

    ``redis_url``, ``stream`` and ``claim_after_ms`` are for the peer on Redis; with the last, a worker takes over
    what another one, or it itself before it was killed, has not ended for so long. 0: it does not.
    """

    port: int
    public_url: str
    vendor: str
    token: str = field(repr=False)
    redis_url: str = field(repr=False)
    stream: str
    claim_after_ms: int

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            port=int(os.environ["PEER_PORT"]),
            public_url=os.environ["PEER_PUBLIC_URL"],
            vendor=os.environ["PEER_VENDOR"],
            token=os.environ["PEER_TOKEN"],
            redis_url=os.environ["PEER_REDIS_URL"],
            stream=os.environ["PEER_STREAM"],
            claim_after_ms=int(os.environ["PEER_CLAIM_AFTER_MS"]),
        )


@dataclass(frozen=True)
class Call:
    """A request to Twilio's API: POST ``form`` with ``headers``."""

    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


def genuine_form(settings: Settings, path: str, body: bytes, signature: str) -> dict[str, str] | None:
    """The webhook's fields; None when its signature is not right."""
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    expected = signature_of(settings.token, settings.public_url + path, form)
    return form if hmac.compare_digest(expected.encode(), signature.encode()) else None


def signature_of(token: str, url: str, form: Mapping[str, str]) -> str:
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def answer_text(text: str) -> str:
    """What the echo engine of the fault campaign says to one line."""
    line = _LINE.match(text)
    return f"bot {line[1]} {line[2]}: {line[3]}" if line else "bot ? ?: ?"


def sending(settings: Settings, account: str, sender: str, to: str, text: str) -> Call:
    """How a text is sent to a customer."""
    credentials = base64.b64encode(f"{account}:{settings.token}".encode()).decode()
    return Call(
        url=f"{settings.vendor}/2010-04-01/Accounts/{account}/Messages.json",
        headers={"authorization": f"Basic {credentials}"},
        form={"From": sender, "To": to, "Body": text},
    )
