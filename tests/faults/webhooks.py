"""Vendors' requests as they post them: Twilio's forms, and batches with a time in their signature."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from twilio.request_validator import RequestValidator

from tests.faults import batches

Sign = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Webhook:
    """``sign`` makes the headers for the public address; vendors sign each try anew."""

    path: str
    body: bytes
    sign: Sign


def twilio(path: str, form: Mapping[str, str], token: str) -> Webhook:
    def sign(url: str) -> Mapping[str, str]:
        signature = RequestValidator(token).compute_signature(url, dict(form))
        return {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}

    return Webhook(path, urlencode(form).encode(), sign)


def batch(path: str, entries: Iterable[Mapping[str, Any]], token: str, ahead_s: int = 0) -> Webhook:
    """With ``ahead_s`` the vendor's clock, or the age of what is posted again."""
    body = orjson.dumps({"messages": list(entries)})

    def sign(url: str) -> Mapping[str, str]:
        signed = batches.signature(token, int(time.time()) + ahead_s, body)
        return {"content-type": "application/json", batches.SIGNATURE: signed}

    return Webhook(path, body, sign)
