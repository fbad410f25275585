"""Outbound messages and signals as calls of the gateway."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from m2n.adapters.channel import SendContext, Signal, VendorCall
from m2n.message import (
    AudioContent,
    Content,
    DeleteContent,
    EditContent,
    FileContent,
    ImageContent,
    Media,
    Outbound,
    ReactionContent,
    TextContent,
    TypingContent,
    VideoContent,
)
from services.channels.signal.gateway import call
from services.channels.signal.references import Reference, read
from services.channels.signal.settings import SignalSettings

SEND = "/v2/send"
REACTIONS = "/v1/reactions/{number}"
REMOTE_DELETE = "/v1/remote-delete/{number}"
TYPING = "/v1/typing-indicator/{number}"
RECEIPTS = "/v1/receipts/{number}"
_MIME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_NOT_IN_NAMES = re.compile(r"[;,/\\:\x00-\x1f\x7f]")
MAX_FILENAME = 200
"""In UTF-8 bytes: the gateway makes a file of that name, and file systems take 255."""


@dataclass(frozen=True)
class Sending:
    """To whom, by which account of which gateway."""

    to: str
    settings: SignalSettings
    secrets: Mapping[str, str] = field(repr=False)

    def call(self, method: str, path: str, **body: object) -> VendorCall:
        return call(method, path, body, self.settings, self.secrets)

    def send(self, **body: object) -> VendorCall:
        return self.call("POST", SEND, number=self.settings.number, recipients=[self.to], **body)


def calls(message: Outbound, context: SendContext, settings: SignalSettings) -> tuple[VendorCall, ...]:
    """One call. Raises ValueError for a content or an id that Signal does not have, and for a file without bytes."""
    sending = Sending(message.address.to, settings, context.secrets)
    return (_call(message.content, message.reply_to, sending, context.files),)


def _call(content: Content, reply_to: str | None, sending: Sending, files: Mapping[str, bytes]) -> VendorCall:
    match content:
        case TextContent():
            return sending.send(message=content.text, **_quote(reply_to, sending.settings.number))
        case ImageContent() | AudioContent() | VideoContent() | FileContent():
            return sending.send(
                message=content.caption or "",
                base64_attachments=[_attachment(content.media, files)],
                **_quote(reply_to, sending.settings.number),
            )
        case ReactionContent():
            return _reaction(content, sending)
        case EditContent():
            return sending.send(message=content.text, edit_timestamp=_own(content.target).sent_ms)
        case DeleteContent():
            moment = _own(content.target).sent_ms
            return sending.call("DELETE", REMOTE_DELETE, recipient=sending.to, timestamp=moment)
        case TypingContent():
            return sending.call("PUT" if content.on else "DELETE", TYPING, recipient=sending.to)
    raise ValueError(f"{content.type}: Signal has no such message")


def signal_calls(signal: Signal, context: SendContext, settings: SignalSettings) -> tuple[VendorCall, ...]:
    """None where the connection gives no read receipts, or there is no message to say it of."""
    sending = Sending(signal.to, settings, context.secrets)
    if signal.kind == "typing":
        return (sending.call("PUT", TYPING, recipient=signal.to),)
    last = read(signal.vendor_message_id)
    if last is None or last.is_ours or not settings.read_receipts:
        return ()
    return (sending.call("POST", RECEIPTS, receipt_type="read", recipient=signal.to, timestamp=last.sent_ms),)


def _quote(reply_to: str | None, number: str) -> dict[str, Any]:
    """Quotes the message: the customer's app finds its words by author and moment; of another id there is none."""
    target = read(reply_to)
    if target is None:
        return {}
    return {"quote_timestamp": target.sent_ms, "quote_author": _author(target, number), "quote_message": ""}


def _reaction(content: ReactionContent, sending: Sending) -> VendorCall:
    target = read(content.target)
    if target is None:
        raise ValueError("target: expected the id of a Signal message")
    return sending.call(
        "POST" if content.emoji else "DELETE",
        REACTIONS,
        reaction=content.emoji or "",
        recipient=sending.to,
        target_author=_author(target, sending.settings.number),
        timestamp=target.sent_ms,
    )


def _author(reference: Reference, number: str) -> str:
    return number if reference.is_ours else reference.author


def _own(target: str) -> Reference:
    found = read(target)
    if found is None or not found.is_ours:
        raise ValueError("target: expected the id of a message of ours")
    return found


def _attachment(media: Media, files: Mapping[str, bytes]) -> str:
    """``data:<type>;filename=<name>;base64,<bytes>``, as the gateway reads it."""
    content = files.get(media.url or "", files.get(media.id or ""))
    if content is None:
        raise ValueError("media: expected its bytes among the context's files")
    mime = (media.mime or "").partition(";")[0].strip().lower()
    name = _file_name(media.filename or "")
    head = f"data:{mime if _MIME.fullmatch(mime) else 'application/octet-stream'}"
    return f"{head}{f';filename={name}' if name else ''};base64,{base64.b64encode(content).decode()}"


def _file_name(name: str) -> str:
    """The name with nothing in it that would end it or lead elsewhere; its end, which tells the type, is kept."""
    plain = _NOT_IN_NAMES.sub("_", name).encode()[-MAX_FILENAME:].decode("utf-8", "ignore")
    return plain.strip(" .")
