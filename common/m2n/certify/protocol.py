"""Checks that an adapter is a channel: every member with its exact signature, settings that are checked, its name."""

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_type_hints

from pydantic import BaseModel, ValidationError

from m2n.adapters.capabilities import Capabilities
from m2n.adapters.channel import Acknowledgement, Channel, Parsed
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.sample import connection
from m2n.certify.trying import Raised, attempt
from m2n.message import MAX_TEXT, Author

METHODS = tuple(
    name for name, member in vars(Channel).items() if inspect.isfunction(member) and not name.startswith("_")
)
KINDS = frozenset({"image", "audio", "video", "file", "sticker"})
_NO_ADDRESSES = (
    "",
    "vendor",
    "ftp://vendor.example",
    "javascript:alert(1)",
    "https://",
    "https://vendor.example/?a=b",
    "https://vendor.example\n",
)


def protocol(certificate: Certificate) -> Iterator[Finding]:
    channel = certificate.channel
    yield from _attributes(channel)
    for name in METHODS:
        yield from _signature(channel, name)
    yield from _settings(certificate)
    yield from _secrets(certificate)
    yield from _capabilities(channel)
    yield from _defaults(certificate)


def _attributes(channel: Any) -> Iterator[Finding]:
    named = isinstance(getattr(channel, "name", None), str) and re.fullmatch(r"[a-z][a-z0-9_]{1,40}", channel.name)
    if not named:
        yield Finding("name", "lower-case letters, digits and _", "another", "name it as its folder")
    if not isinstance(getattr(channel, "capabilities", None), Capabilities):
        yield Finding("capabilities", "Capabilities", "another type", "say there what the channel can do")


def _signature(channel: Any, name: str) -> Iterator[Finding]:
    method = getattr(channel, name, None)
    if not callable(method):
        yield Finding(f"the method {name}", "there is one", "none", "write it, or inherit from ChannelDefaults")
        return
    wanted, found = _described(getattr(Channel, name)), attempt(lambda: _described(method))
    if isinstance(found, Raised) or found != wanted:
        seen = f"it raised {found}" if isinstance(found, Raised) else found
        yield Finding(f"the method {name}", wanted, seen, "write the signature of m2n.adapters.channel.Channel")


def _described(method: Callable[..., Any]) -> str:
    """Parameters and result with their types, as one reads them."""
    hints = get_type_hints(method)
    parameters = [
        f"{'' if parameter.kind is parameter.POSITIONAL_OR_KEYWORD else f'({parameter.kind.description}) '}"
        f"{name}: {_type(hints.get(name))}{'' if parameter.default is parameter.empty else ' = ...'}"
        for name, parameter in inspect.signature(method).parameters.items()
        if name != "self"
    ]
    awaited = "async " if inspect.iscoroutinefunction(method) else ""
    return f"{awaited}({', '.join(parameters)}) -> {_type(hints.get('return'))}"


def _type(hint: Any) -> str:
    if hint is None:
        return "?"
    return hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)


def _settings(certificate: Certificate) -> Iterator[Finding]:
    model = certificate.channel.settings
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield Finding("settings", "a pydantic model", "another type", "derive it from m2n.tenant.Config")
        return
    sample = dict(certificate.settings)
    if isinstance(attempt(lambda: model.model_validate(sample)), Raised):
        yield Finding("the certificate's settings", "they fit the model", "they do not", "correct one or the other")
    if not _refuses(model, sample | {"m2n_no_such_setting": 1}):
        yield Finding(
            "a setting that nobody knows", "it is refused", "it is taken", "derive settings from m2n.tenant.Config"
        )
    for name in model.model_fields:
        if name.endswith("url"):
            yield from _address(model, sample, name)


def _address(model: type[BaseModel], sample: dict[str, Any], name: str) -> Iterator[Finding]:
    taken = [wrong for wrong in _NO_ADDRESSES if not _refuses(model, sample | {name: wrong})]
    if taken:
        yield Finding(
            f"the setting {name}",
            "no other than http(s) addresses without a query",
            repr(taken[0]),
            "give it a pattern",
        )


def _refuses(model: type[BaseModel], settings: dict[str, Any]) -> bool:
    tried = attempt(lambda: model.model_validate(settings))
    return isinstance(tried, Raised) and isinstance(tried.error, ValidationError)


def _secrets(certificate: Certificate) -> Iterator[Finding]:
    names = certificate.channel.secrets
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        do = "name the secrets that a connection needs; without one nothing can be verified"
        yield Finding("secrets", "a tuple of one name or more", "another value", do)
        return
    if set(names) != {name for name, value in certificate.secrets.items() if value}:
        yield Finding("the certificate's secrets", f"values for {', '.join(names)}", "others", "give one to each")
    made = attempt(lambda: connection(certificate))
    if isinstance(made, Raised):
        do = "name adapter and secrets as m2n.tenant has them: lower-case letters, digits; '-' in secrets, '_' in names"
        yield Finding("a connection with these settings and secrets", "there can be one", f"it raised {made}", do)


def _capabilities(channel: Any) -> Iterator[Finding]:
    can: Capabilities = channel.capabilities
    wrong = {
        f"text from 1 to {MAX_TEXT}": not 1 <= can.text <= MAX_TEXT,
        f"media of {', '.join(sorted(KINDS))}": not {*can.media, *can.captions, *can.received} <= KINDS,
        "captions only of media that can be sent": not set(can.captions) <= set(can.media),
        "signals of typing and read": not can.signals <= {"typing", "read"},
        "rates above 0": any(rate and (rate.per_s <= 0 or rate.burst < 1) for rate in (can.rate, can.pair_rate)),
    }
    for wanted in (name for name, is_wrong in wrong.items() if is_wrong):
        yield Finding("the capabilities", wanted, "another value", "say only what the vendor documents")


def _defaults(certificate: Certificate) -> Iterator[Finding]:
    channel, sample = certificate.channel, attempt(lambda: connection(certificate))
    answer = attempt(lambda: channel.acknowledge(Parsed()))
    if not isinstance(answer, Acknowledgement) or not 200 <= answer.status < 300:
        yield Finding("acknowledge", "an Acknowledgement with a 2xx", "another", "the vendor would send it again")
    if isinstance(sample, Raised):
        return
    for author in Author:
        window = attempt(lambda author=author: channel.reply_window(author, sample))
        if not (window is None or isinstance(window, timedelta)):
            yield Finding("reply_window", "a timedelta or None", type(window).__name__, "return one of the two")
            return
