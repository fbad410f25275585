"""Messenger's webhooks in the common format."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, UnreadablePart, explained
from m2n.adapters.json_body import read_json
from m2n.message import (
    Address,
    ChoiceContent,
    Content,
    EditContent,
    Hop,
    Identity,
    Inbound,
    ReactionContent,
    Receipt,
    UnsupportedContent,
)
from services.channels.messenger.content import contents, emoji_of
from services.channels.messenger.events import IGNORED, Edit, Event, Message, Postback, Reaction, unknown_kind
from services.channels.messenger.receipts import receipts
from services.channels.messenger.source import Source

CHANNEL = "messenger"
Said = Iterable[tuple[str, Content]]
"""Contents with the ids of their one effect."""


def parse(body: bytes, source: Source) -> Parsed:
    """One webhook with all entries of the connection's Page; entries of other Pages, which have a connection of
    their own, are left out.

    Meta ends a Page's subscription after about an hour of refused webhooks, so what cannot be read within an entry is
    set aside rather than refused. Raises MalformedWebhook for what is no webhook of this Page at all.
    """
    found = [one for entry in _own_entries(body, source.page_id) for one in _read_entry(entry, source)]
    return Parsed(
        messages=tuple(one for one in found if isinstance(one, Inbound)),
        receipts=tuple(one for one in found if isinstance(one, Receipt)),
        unreadable=tuple(one for one in found if isinstance(one, UnreadablePart)),
    )


def _own_entries(body: bytes, page_id: str) -> list[dict[str, Any]]:
    whole = read_json(body)
    if whole.get("object") != "page":
        raise MalformedWebhook("object: expected 'page'; give this webhook address only to the product Messenger")
    entries = whole.get("entry")
    if not isinstance(entries, list):
        raise MalformedWebhook("entry: expected a list")
    own = [entry for entry in entries if isinstance(entry, dict) and str(entry.get("id")) == page_id]
    if not own:
        raise MalformedWebhook(
            f"entry.0.id: expected {page_id!r}, which is what this connection has; "
            "give this webhook address only to the app of the connection's own Page"
        )
    return own


def _read_entry(entry: dict[str, Any], source: Source) -> Iterator[Inbound | Receipt | UnreadablePart]:
    """``standby`` and ``changes`` are not for us: another app has the conversation, or it is about the Page."""
    events = entry.get("messaging")
    if not isinstance(events, list | None):
        yield _set_aside(entry, "messaging: expected a list")
        return
    for raw in events or ():
        try:
            yield from _read(raw, source)
        except ValidationError as invalid:
            yield _set_aside({**entry, "messaging": [raw]}, explained(invalid, whole="messaging"))
        except ValueError as wrong:
            yield _set_aside({**entry, "messaging": [raw]}, str(wrong))


def _read(raw: Any, source: Source) -> tuple[Inbound | Receipt, ...]:
    event = Event.model_validate(raw)
    told = receipts(event, source)
    if told is not None:
        return told
    if event.sender is not None and event.sender.id == source.page_id:
        return ()  # whatever the Page does itself never is a customer's message
    return tuple(_inbound(event, source, id_, content) for id_, content in _said(event, raw))


def _said(event: Event, raw: Mapping[str, Any]) -> Said:
    if event.message is not None:
        return _message(event.message)
    if event.postback is not None:
        return _postback(event.postback, event)
    if event.reaction is not None:
        return _reaction(event.reaction, event)
    if event.message_edit is not None:
        return _edit(event.message_edit, event)
    if not IGNORED.isdisjoint(raw):
        return ()
    kind = unknown_kind(raw)
    if kind is None:
        raise ValueError("message: expected a message or another event")
    return ((_made_id(event, kind), UnsupportedContent(vendor_type=kind[:512])),)


def _message(message: Message) -> Said:
    for number, content in enumerate(contents(message)):
        yield (f"{message.mid}#{number}" if number else message.mid), content


def _postback(postback: Postback, event: Event) -> Said:
    """A button of another app has no payload for us, and is known by its title."""
    picked = postback.payload or postback.title
    if not picked:
        raise ValueError("postback: expected a payload or a title")
    title = postback.title or picked
    yield postback.mid or _made_id(event, "postback"), ChoiceContent(id=picked, title=title)


def _reaction(reaction: Reaction, event: Event) -> Said:
    taken_back = reaction.action == "unreact"
    emoji = None if taken_back else emoji_of(reaction.reaction, reaction.emoji)
    yield _made_id(event, "reaction"), ReactionContent(target=reaction.mid, emoji=emoji)


def _edit(edit: Edit, event: Event) -> Said:
    id_ = f"{edit.mid}:edit:{edit.num_edit}" if edit.num_edit else _made_id(event, "edit")
    yield id_, EditContent(target=edit.mid, text=edit.text)


def _made_id(event: Event, kind: str) -> str:
    """For events without an id of their own: sender, time and kind, as Meta's repeats of them have the same."""
    if event.timestamp is None:
        raise ValueError("timestamp: expected milliseconds since 1970")
    return f"{_psid(event)}:{round(event.timestamp.timestamp() * 1000)}:{kind[:100]}"


def _psid(event: Event) -> str:
    if event.sender is None or event.sender.id is None:
        raise ValueError("sender.id: expected the customer's id for this Page")
    return event.sender.id


def _inbound(event: Event, source: Source, id_: str, content: Content) -> Inbound:
    psid = _psid(event)
    reply_to = event.message.reply_to if event.message else None
    return Inbound(
        tenant=source.tenant,
        address=Address(connection=source.connection, channel=CHANNEL, to=psid),
        vendor_message_id=id_,
        identities=(Identity(scheme="psid", value=f"{source.page_id}:{psid}"),),
        content=content,
        received_at=source.received_at,
        vendor_time=event.timestamp,
        reply_to=reply_to.mid if reply_to else None,
        trail=(Hop(service="webhooks", did="received", at=source.received_at),),
    )


def _set_aside(entry: dict[str, Any], reason: str) -> UnreadablePart:
    try:
        return UnreadablePart(orjson.dumps({"object": "page", "entry": [entry]}), reason)
    except orjson.JSONEncodeError:
        raise MalformedWebhook("entry: expected at most some levels of nesting") from None
