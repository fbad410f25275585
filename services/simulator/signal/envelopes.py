"""A customer's doings as signal-cli's envelopes."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from services.simulator.settings import Setup
from services.simulator.signal.memory import Account, Memory, Person, StoredFile
from services.simulator.vendors import Said, SentLocation, SentMedia

MAX_BODY = 2000
LONG_TEXT = "text/x-signal-plain"


class SentSticker(Setup):
    pack: str
    sticker: int


class SentContact(Setup):
    name: str
    phone: str


class Extra(Setup):
    """What only Signal has."""

    hidden_number: bool = False
    """The customer's phone number is not shown, from now on."""
    identity_changed: bool = False
    """The customer has a new phone: what we send is refused until somebody trusts the new safety number."""
    unregistered: bool = False
    """The customer leaves Signal after this."""
    group: str | None = None
    """Said in the group of that name."""
    typing: bool | None = None
    sticker: SentSticker | None = None
    contact: SentContact | None = None
    view_once: bool = False
    expires_in_s: int = 0
    viewed: str | None = None
    """Id of a message of ours whose media the customer has looked at."""
    own_device: bool = False
    """It is not the customer: somebody of the business writes to them with the business's own phone."""
    envelope: dict[str, Any] = {}
    """Further fields of the envelope, such as a kind of message that there may be one day."""


@dataclass(frozen=True)
class Doing:
    """What somebody does at a moment, and the files that go with it, by their id."""

    account: Account
    person: Person
    said: Said
    extra: Extra
    sent_ms: int
    attachments: list[dict[str, Any]] = field(default_factory=list)


class _Sources(BaseModel):
    source: str
    sourceNumber: str | None
    sourceUuid: str
    sourceName: str
    sourceDevice: int = 1
    timestamp: int
    serverReceivedTimestamp: int
    serverDeliveredTimestamp: int


def envelope(author: Account | Person, sent_ms: int, **kind: Any) -> dict[str, Any]:
    number = author.number if isinstance(author, Account) else author.shown_number
    named = _Sources(
        source=number or author.uuid,
        sourceNumber=number,
        sourceUuid=author.uuid,
        sourceName="" if isinstance(author, Account) else author.name,
        timestamp=sent_ms,
        serverReceivedTimestamp=sent_ms + 40,
        serverDeliveredTimestamp=sent_ms + 90,
    )
    return named.model_dump() | kind


def of_doing(doing: Doing, memory: Memory) -> dict[str, Any]:
    """Raises ValueError for what Signal does not have, and for a message that is not there."""
    said, extra = doing.said, doing.extra
    _possible(said)
    if extra.own_device:
        sent = {"destination": doing.person.uuid, "destinationUuid": doing.person.uuid, **_data(doing, memory)}
        return envelope(doing.account, doing.sent_ms, syncMessage={"sentMessage": sent})
    if extra.envelope:
        return envelope(doing.person, doing.sent_ms, **extra.envelope)
    if extra.typing is not None:
        typing = {"action": "STARTED" if extra.typing else "STOPPED", "timestamp": doing.sent_ms}
        return envelope(doing.person, doing.sent_ms, typingMessage=typing)
    if extra.viewed is not None:
        return receipt(doing.person, _moment_of(doing.account, doing.person, extra.viewed)[1], doing.sent_ms, "viewed")
    if said.edit is not None:
        target = _moment_of(doing.account, doing.person, said.edit.target)[1]
        edited = {"targetSentTimestamp": target, "dataMessage": _data(doing, memory) | {"message": said.edit.text}}
        return envelope(doing.person, doing.sent_ms, editMessage=edited)
    return envelope(doing.person, doing.sent_ms, dataMessage=_data(doing, memory))


def receipt(person: Person, sent_ms: int, when_ms: int, status: str) -> dict[str, Any]:
    """What the customer's phone says of a message of ours: ``delivered``, ``read`` or ``viewed``."""
    told = {
        "when": when_ms,
        "isDelivery": status == "delivered",
        "isRead": status == "read",
        "isViewed": status == "viewed",
        "timestamps": [sent_ms],
    }
    return envelope(person, when_ms, receiptMessage=told)


def words(said: Said) -> str:
    """What stands in the message; a place is a link in it, for Signal has no other way."""
    return _place(said.location) if said.location else said.text or ""


def split_body(text: str) -> tuple[str, str | None]:
    """What fits into a message, and the whole text where that is more."""
    raw = text.encode()
    return (text, None) if len(raw) <= MAX_BODY else (raw[:MAX_BODY].decode("utf-8", "ignore"), text)


def attachment(id_: str, file: StoredFile, sent: SentMedia | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "contentType": file.mime,
        "filename": file.filename,
        "id": id_,
        "size": len(file.content),
        "width": None,
        "height": None,
        "caption": None,
        "uploadTimestamp": None,
    }
    return described | ({"isVoiceNote": sent.voice} if sent else {})


def _possible(said: Said) -> None:
    for name, impossible in (("choice", said.choice), ("digits", said.digits), ("hang_up", said.hang_up)):
        if impossible:
            raise ValueError(f"{name}: Signal has no such thing; write it as text")


def _data(doing: Doing, memory: Memory) -> dict[str, Any]:
    said, extra = doing.said, doing.extra
    message: dict[str, Any] = {
        "timestamp": doing.sent_ms,
        "message": split_body(words(said))[0] or None,
        "expiresInSeconds": extra.expires_in_s,
        "viewOnce": extra.view_once,
    }
    if doing.attachments:
        message["attachments"] = doing.attachments
    if said.reply_to:
        message["quote"] = _quote(doing, memory, said.reply_to)
    if extra.group:
        message["groupInfo"] = {"groupId": "Z3JvdXA=", "groupName": extra.group, "revision": 1, "type": "DELIVER"}
    return message | _special(doing)


def _special(doing: Doing) -> dict[str, Any]:
    said, extra, account, person = doing.said, doing.extra, doing.account, doing.person
    if said.reaction is not None:
        author, moment = _moment_of(account, person, said.reaction.target)
        named = {"targetAuthor": author, "targetAuthorNumber": _number(doing, author), "targetAuthorUuid": author}
        gone = said.reaction.emoji is None
        emoji = said.reaction.emoji or "👍"
        return {"reaction": {"emoji": emoji, **named, "targetSentTimestamp": moment, "isRemove": gone}}
    if said.delete is not None:
        return {"remoteDelete": {"timestamp": _moment_of(account, person, said.delete)[1]}}
    if extra.sticker is not None:
        return {"sticker": {"packId": extra.sticker.pack, "stickerId": extra.sticker.sticker}}
    if extra.contact is not None:
        name = {"given": extra.contact.name, "family": None, "nickname": None}
        return {"contacts": [{"name": name, "phone": [{"value": extra.contact.phone, "type": "MOBILE"}]}]}
    return {}


def _quote(doing: Doing, memory: Memory, reference: str) -> dict[str, Any]:
    author, moment = _moment_of(doing.account, doing.person, reference)
    return {
        "id": moment,
        "author": _number(doing, author) or author,
        "authorNumber": _number(doing, author),
        "authorUuid": author,
        "text": memory.texts.get((doing.account.number, author, moment), ""),
        "attachments": [],
    }


def _number(doing: Doing, author: str) -> str | None:
    return doing.account.number if author == doing.account.uuid else doing.person.shown_number


def _moment_of(account: Account, person: Person, reference: str) -> tuple[str, int]:
    """Author and moment of a message of one of the two. Raises ValueError."""
    author, _, moment = reference.partition("#")[0].rpartition(":")
    if not (moment.isascii() and moment.isdigit()) or not (account.names(author) or person.names(author)):
        raise ValueError("expected the id of a message of this conversation: its author, ':' and its moment")
    return (account.uuid if account.names(author) else person.uuid), int(moment)


def _place(place: SentLocation) -> str:
    link = f"https://maps.google.com/maps?q={place.latitude}%2C{place.longitude}"
    return "\n".join(filter(None, (place.label, place.address, link)))
