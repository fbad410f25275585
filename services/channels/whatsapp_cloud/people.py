"""Who wrote: a phone number, the business-scoped user id (BSUID) that Meta gives since April 2026, or both.

A user with a username may be without a phone number in webhooks, and older webhooks are without a BSUID (Meta,
"Business-scoped user IDs").
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook
from m2n.message import Identity
from services.channels.whatsapp_cloud.shapes import Contact, Head, System

PHONE, BSUID = "phone", "wa_bsuid"
MAX_NAME = 512
_DIGITS = re.compile(r"[1-9][0-9]{4,14}")
_BUSINESS_SCOPED = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,132}")


@dataclass(frozen=True)
class Sender:
    """``phone`` in digits without a plus, as WhatsApp writes it. At least one of both ids is there."""

    phone: str | None
    bsuid: str | None
    name: str | None = None

    @property
    def to(self) -> str:
        """What the send API takes: the number where it is known, since it is taken for every kind of message."""
        return self.phone or self.bsuid or ""

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The BSUID first: once Meta gives it, it comes with every message, and the number with some only.

        So a customer's messages stay in one queue group; the first message with a BSUID links it to the number's
        profile, as long as the number comes with it.
        """
        return _identities([self.bsuid], [self.phone])


class Contacts:
    """The senders that a webhook names beside its messages."""

    def __init__(self, raw: Any) -> None:
        self._known = tuple(_readable(raw if isinstance(raw, list) else []))
        self._by_id = {id_: one for one in self._known for id_ in (one.wa_id, one.user_id) if id_}

    def of(self, head: Head) -> Contact | None:
        """The message's; where it names nobody, the only one there is."""
        for id_ in (head.from_user_id, head.sender):
            if id_ and id_ in self._by_id:
                return self._by_id[id_]
        alone = len(self._known) == 1 and not (head.sender or head.from_user_id)
        return self._known[0] if alone else None


def sender_of(head: Head, contacts: Contacts) -> Sender:
    """Raises MalformedWebhook when the message names nobody who could be answered."""
    contact = contacts.of(head) or Contact()
    given = [value.removeprefix("+") for value in (head.sender, contact.wa_id) if value]
    phone = next(filter(_DIGITS.fullmatch, given), None)
    bsuid = head.from_user_id or contact.user_id or next(filter(_BUSINESS_SCOPED.fullmatch, given), None)
    if bsuid is not None and len(bsuid) > 256:
        raise MalformedWebhook("from_user_id: expected at most 256 characters")
    if not (phone or bsuid):
        raise MalformedWebhook("from: expected the digits of a phone number, or a from_user_id beside it")
    return Sender(phone, bsuid, _name(contact))


def renamed(sender: Sender, news: System) -> tuple[Identity, ...]:
    """All ids of a user who got new ones, the older first; the first is the one that is known already."""
    phones = [_digits(sender.phone), _digits(news.wa_id)]
    return _identities([news.previous_user_id or sender.bsuid], phones, [news.user_id])


def _digits(value: str | None) -> str | None:
    return value if value and _DIGITS.fullmatch(value) else None


def _identities(
    bsuids: Iterable[str | None], phones: Iterable[str | None], more_bsuids: Iterable[str | None] = ()
) -> tuple[Identity, ...]:
    """Each once, in that order."""
    found: Mapping[tuple[str, str], None] = dict.fromkeys(
        [
            *((BSUID, value) for value in bsuids if value),
            *((PHONE, f"+{value}") for value in phones if value),
            *((BSUID, value) for value in more_bsuids if value),
        ]
    )
    return tuple(Identity(scheme=scheme, value=value) for scheme, value in found)


def _name(contact: Contact) -> str | None:
    return (contact.profile.name or contact.profile.username or "")[:MAX_NAME] or None


def _readable(raw: list[Any]) -> Iterable[Contact]:
    """A contact that cannot be read costs a name, never the message."""
    for one in raw:
        try:
            yield Contact.model_validate(one)
        except ValidationError:
            continue
