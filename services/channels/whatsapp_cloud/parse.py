"""Meta's webhooks of the WhatsApp Business Account in the common format."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, UnreadablePart, WebhookRequest, explained
from m2n.adapters.json_body import read_json
from m2n.message import Address, Content, Hop, Identity, Inbound, Receipt, TypingContent
from services.channels.meta_core.handshake import challenge, is_handshake
from services.channels.whatsapp_cloud.content import contents
from services.channels.whatsapp_cloud.people import Contacts, Sender, renamed, sender_of
from services.channels.whatsapp_cloud.receipts import receipt
from services.channels.whatsapp_cloud.settings import WhatsAppCloudSettings
from services.channels.whatsapp_cloud.shapes import Head, Metadata, Status, System

CHANNEL = "whatsapp_cloud"
OBJECT = "whatsapp_business_account"
NOTHING_SAID = TypingContent(on=False)
"""Carries a user's new ids: the customer said nothing, so nothing is recorded or answered."""

Raw = Mapping[str, Any]


def parse(
    request: WebhookRequest, tenant: str, connection: str, settings: WhatsAppCloudSettings, received_at: datetime
) -> Parsed:
    """One webhook: a handshake, or a batch of up to 1,000 updates of any customers, in Meta's order.

    Raises MalformedWebhook that names the field when nothing of it can be read, or when all of it is about another
    number than the connection's.
    """
    if is_handshake(request):
        return Parsed(answer=challenge(request))
    webhook = read_json(request.body)
    if webhook.get("object") != OBJECT:
        raise MalformedWebhook(f"object: expected {OBJECT!r}")
    reading = _Reading(tenant, connection, settings, received_at)
    for entry in _list(webhook, "entry"):
        reading.part(partial(reading.entry, entry), partial(_webhook, entry))
    return reading.parsed()


def _list(holder: Any, name: str) -> list[Any]:
    """The list of that name. Raises MalformedWebhook."""
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, list):
        raise MalformedWebhook(f"{name}: expected a list")
    return found


@dataclass
class _Reading:
    """What has been read of a webhook so far. A part that cannot be read is set aside, and the rest goes on."""

    tenant: str
    connection: str
    settings: WhatsAppCloudSettings
    received_at: datetime
    messages: list[Inbound] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    unreadable: list[UnreadablePart] = field(default_factory=list)
    understood: int = 0
    """Parts that were read, also those that say nothing to us."""
    foreign: str = ""
    """Why a part is not the connection's own."""

    def parsed(self) -> Parsed:
        reason = self.unreadable[0].reason if self.unreadable else self.foreign
        if reason and not self.understood:
            raise MalformedWebhook(reason)
        return Parsed(tuple(self.messages), tuple(self.receipts), tuple(self.unreadable))

    def part(self, read: Callable[[], None], alone: Callable[[], Raw]) -> None:
        """``alone`` makes a webhook of nothing but this part, to be kept if it cannot be read."""
        try:
            read()
        except MalformedWebhook as bad:
            self.unreadable.append(UnreadablePart(_kept(alone()), str(bad)))
        except ValidationError as invalid:
            self.unreadable.append(UnreadablePart(_kept(alone()), explained(invalid, whole="value")))

    def entry(self, entry: Any) -> None:
        for change in _list(entry, "changes"):
            account = entry.get("id")
            self.part(partial(self.change, account, change), partial(_webhook, {"id": account, "changes": [change]}))

    def change(self, account: Any, change: Any) -> None:
        """Other fields than ``messages`` (templates, account, quality, calls) are taken note of at Meta's own pages."""
        if not isinstance(change, dict) or not isinstance(change.get("field"), str):
            raise MalformedWebhook("changes.field: expected a text")
        if change["field"] != "messages":
            self.understood += 1
            return
        value = change.get("value")
        if not isinstance(value, dict):
            raise MalformedWebhook("changes.value: expected an object")
        metadata = Metadata.model_validate(value.get("metadata"))
        if self._is_ours(account, metadata):
            self._value(account, value, metadata)

    def _is_ours(self, account: Any, metadata: Metadata) -> bool:
        wanted = self.settings.waba_id
        if metadata.phone_number_id != self.settings.phone_number_id:
            self.foreign = self.foreign or _not_ours("metadata.phone_number_id", self.settings.phone_number_id)
        elif wanted is not None and account != wanted:
            self.foreign = self.foreign or _not_ours("entry.id", wanted)
        else:
            return True
        return False

    def _value(self, account: Any, value: Raw, metadata: Metadata) -> None:
        """Messages, statuses, or errors; the last are of the account as a whole and name no message of ours."""
        messages = _list(value, "messages") if "messages" in value else []
        statuses = _list(value, "statuses") if "statuses" in value else []
        contacts = Contacts(value.get("contacts"))
        for message in messages:
            read = partial(self._message, message, value, metadata, contacts)
            self.part(read, partial(_alone, account, value, "messages", message))
        for status in statuses:
            self.part(partial(self._status, status), partial(_alone, account, value, "statuses", status))
        if not messages and not statuses:
            self.understood += 1

    def _message(self, raw: Any, value: Raw, metadata: Metadata, contacts: Contacts) -> None:
        head = Head.model_validate(raw)
        if not head.sender or head.sender != _digits(metadata.display_phone_number):
            self.messages += self._inbound(head, raw, contacts, failed=bool(head.errors or value.get("errors")))
        self.understood += 1

    def _inbound(self, head: Head, raw: Raw, contacts: Contacts, *, failed: bool) -> tuple[Inbound, ...]:
        sender = sender_of(head, contacts) if head.type != "system" else None
        if sender is None:
            return self._news(head, raw, contacts)
        found = contents(raw, head.type, head.id, failed=failed)
        return tuple(
            self._said(head, number, content, sender, sender.identities) for number, content in enumerate(found)
        )

    def _news(self, head: Head, raw: Raw, contacts: Contacts) -> tuple[Inbound, ...]:
        """A user's new number or BSUID, so that they stay the same customer; other news of WhatsApp's say nothing."""
        news = System.model_validate(raw.get("system") or {})
        contact = contacts.of(head)
        old = Sender(head.sender, head.from_user_id or (contact.user_id if contact else None))
        identities = renamed(old, news)
        if len(identities) < 2:
            return ()
        new = Sender(news.wa_id or old.phone, news.user_id or old.bsuid)
        return (self._said(head, 0, NOTHING_SAID, new, identities),)

    def _said(
        self, head: Head, number: int, content: Content, sender: Sender, identities: tuple[Identity, ...]
    ) -> Inbound:
        return Inbound(
            tenant=self.tenant,
            address=Address(connection=self.connection, channel=CHANNEL, to=sender.to),
            vendor_message_id=f"{head.id}#{number}" if number else head.id,
            identities=identities,
            content=content,
            received_at=self.received_at,
            vendor_time=head.timestamp,
            display_name=sender.name,
            reply_to=head.context.id if head.context else None,
            trail=(Hop(service="webhooks", did="received", at=self.received_at),),
        )

    def _status(self, raw: Any) -> None:
        found = receipt(Status.model_validate(raw), self.tenant, self.connection)
        if found is not None:
            self.receipts.append(found)
        self.understood += 1


def _digits(number: str) -> str:
    return re.sub(r"[^0-9]", "", number)


def _not_ours(name: str, wanted: str) -> str:
    return (
        f"{name}: expected {wanted!r}, which is what this connection has; "
        "give this webhook address only to the connection's own number at Meta"
    )


def _alone(account: Any, value: Raw, kind: str, part: Any) -> Raw:
    """A webhook of one message or status, with what it needs of its surroundings."""
    kept = {name: value[name] for name in ("messaging_product", "metadata", "errors") if name in value}
    contacts = list(_its_contacts(value.get("contacts"), part))
    change = {"field": "messages", "value": kept | ({"contacts": contacts} if contacts else {}) | {kind: [part]}}
    return _webhook({"id": account, "changes": [change]})


def _its_contacts(contacts: Any, part: Any) -> Iterator[Any]:
    """All of them where the part names nobody."""
    named = [part.get("from"), part.get("from_user_id")] if isinstance(part, dict) else []
    ids = [id_ for id_ in named if isinstance(id_, str)]
    for contact in contacts if isinstance(contacts, list) else ():
        if isinstance(contact, dict) and (not ids or contact.get("wa_id") in ids or contact.get("user_id") in ids):
            yield contact


def _webhook(entry: Any) -> Raw:
    return {"object": OBJECT, "entry": [entry]}


def _kept(alone: Raw) -> bytes:
    """Raises MalformedWebhook when it is nested more deeply than can be written."""
    try:
        return orjson.dumps(alone)
    except orjson.JSONEncodeError:
        raise MalformedWebhook("body: expected JSON of a moderate depth") from None
