"""Webhook bodies as JSON, read so that one customer's odd character or number does not spoil a whole batch."""

import json
import re
from typing import Any

import orjson

from m2n.adapters.channel import MalformedWebhook

_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_REPLACEMENT = b"\\ufffd"
_MOST_DIGITS = 20


def read_json(body: bytes) -> Any:
    """The body's value; halves of surrogate pairs become U+FFFD, numbers that are too large become infinite.

    Raises MalformedWebhook for what is no JSON, or is nested too deeply to be read.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        mended = _ESCAPES.sub(_whole, body).decode("utf-8", "replace")
        return json.loads(mended, parse_int=_number)
    except (ValueError, RecursionError):
        raise MalformedWebhook("body: expected JSON in UTF-8") from None


def _whole(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if _HALF.fullmatch(escape[0]) else escape[0]


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
