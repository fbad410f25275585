"""Keys that are offered in what a caller hears, as answers that can be picked."""

import re
from typing import Any

_KEY = re.compile(r"[^.!?]*\b([0-9])[.:]")


def offered(text: str) -> tuple[dict[str, Any], ...]:
    """A choice for each sentence that ends in a key, such as ``For prices, press 2.``"""
    return tuple({"title": found[0].strip(), "says": {"digits": found[1]}} for found in _KEY.finditer(text))
