"""The JSON of a webhook, read so that one odd value does not make a whole batch unreadable."""

import json
import math
import re
from typing import Any

import orjson

from m2n.adapters.channel import MalformedWebhook

_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.", re.DOTALL
)
"""A pair of surrogates, a lone one, or any other escape: read in that order, so that a pair is never torn."""
_LONE = 6
_REPLACED = "\\ufffd"
_MOST_DIGITS = 18
"""More may be above 64 bits, which cannot be written again."""


def read_json(body: bytes) -> dict[str, Any]:
    """The object that the body holds. Raises MalformedWebhook.

    Halves of surrogate pairs and bytes that are no UTF-8 are replaced (U+FFFD); numbers that no field has room for
    are read as infinite, so that only the message with such a field cannot be read.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = _again(body)
    if not isinstance(found, dict):
        raise MalformedWebhook("body: expected a JSON object")
    return found


def _again(body: bytes) -> Any:
    mended = _ESCAPE.sub(_mended, body.decode("utf-8", "replace"))
    try:
        return json.loads(mended, parse_int=_whole_number)
    except json.JSONDecodeError as bad:
        raise MalformedWebhook(f"body: expected JSON ({bad.msg} at character {bad.pos})") from None
    except RecursionError:
        raise MalformedWebhook("body: expected JSON of a moderate depth") from None


def _mended(escape: re.Match[str]) -> str:
    lone = len(escape[0]) == _LONE and escape[0][1] == "u"
    return _REPLACED if lone else escape[0]


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
