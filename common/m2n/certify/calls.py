"""Checks of rendered calls: addresses, headers, bodies; and what a customer will see of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from m2n.adapters.channel import VendorCall
from m2n.certify.certificate import Certificate
from m2n.certify.payloads import leaves

METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")


def shown_in(calls: Iterable[VendorCall]) -> tuple[tuple[str, ...], ...]:
    """For each call all texts and numbers in its query and body, in order; of JSON in a field also its values."""
    return tuple(tuple(_values(call)) for call in calls)


def _values(call: VendorCall) -> Iterator[str]:
    for _, value in (*parse_qsl(urlsplit(call.url).query), *(call.form or ())):
        yield from _unfolded(value)
    if call.json is not None:
        yield from _unfolded(call.json.decode("utf-8", "replace"))


def _unfolded(text: str) -> Iterator[str]:
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    if not isinstance(tree, dict | list):
        yield text
        return
    for _, leaf in leaves(tree):
        yield from _unfolded(leaf) if isinstance(leaf, str) else [str(leaf)]


def base_addresses(certificate: Certificate) -> tuple[str, ...]:
    """Addresses in the connection's settings, with defaults and what the settings make of others."""
    settings = certificate.channel.settings.model_validate(dict(certificate.settings))
    found = [leaf for _, leaf in leaves(settings.model_dump(mode="json"))]
    found += [getattr(settings, name) for name, one in vars(type(settings)).items() if isinstance(one, property)]
    return tuple(text for text in found if isinstance(text, str) and text.startswith(("http://", "https://")))


def problem(call: Any, bases: tuple[str, ...]) -> str | None:
    """What is wrong with a call, without anything that stands in it."""
    if not isinstance(call, VendorCall):
        return f"a {type(call).__name__}, no VendorCall"
    if call.method not in METHODS:
        return f"a method that is none of {', '.join(METHODS)}"
    if call.form is not None and call.json is not None:
        return "a form and JSON at once"
    return _address_problem(call, bases) or _body_problem(call) or _headers_problem(call.headers)


def _address_problem(call: VendorCall, bases: tuple[str, ...]) -> str | None:
    if any(ord(character) <= 32 or ord(character) > 126 for character in call.url):
        return "an address with characters that have to be quoted"
    if call.app_id:
        return None if call.url.startswith("/") else "an app's path that does not begin with /"
    if not any(f"{call.url}/".startswith(f"{base.rstrip('/')}/") for base in bases):
        return "an address that is not below one in the connection's settings"
    return "an address with a fragment" if urlsplit(call.url).fragment else None


def _body_problem(call: VendorCall) -> str | None:
    if call.json is None:
        return None
    try:
        json.loads(call.json)
    except ValueError:
        return "a JSON body that is no JSON"
    return None


def _headers_problem(headers: Mapping[str, str]) -> str | None:
    if any(not value.isprintable() or not name.isascii() for name, value in headers.items()):
        return "a header with line breaks or control characters"
    return None


def shape(call: VendorCall) -> tuple[str, int, tuple[str, ...], str]:
    """Host, number of path segments, names in the query, fragment: what a customer's address must not change."""
    address = urlsplit(call.url)
    return address.netloc, address.path.count("/"), tuple(n for n, _ in parse_qsl(address.query)), address.fragment
