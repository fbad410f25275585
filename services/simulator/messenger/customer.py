"""What a customer does on Messenger, as the event of a webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.simulator.messenger.files import Files
from services.simulator.messenger.memory import new_mid
from services.simulator.vendors import Said, SentMedia

EXTRAS = frozenset({"postback", "sticker_id", "event", "standby", "block"})
"""``postback``: the choice is a button, Get Started or a menu's item; ``sticker_id``: the picture is that sticker;
``event``: an event of any kind, as ``{"referral": {...}}``; ``standby``: another app has the conversation; ``block``:
the customer blocks the Page, until they write again."""
_REACTIONS = {"😆": "smile", "😠": "angry", "😢": "sad", "😮": "wow", "❤️": "love", "👍": "like", "👎": "dislike"}


@dataclass(frozen=True)
class Done:
    """``event`` is what the webhook has beside sender, recipient and time. ``opens``: it opens the 24 hours."""

    id: str
    event: dict[str, Any]
    opens: bool = True


def done(said: Said, files: Files, base_url: str) -> Done:
    """Raises ValueError for what Messenger does not have."""
    _possible(said)
    mid = said.message_id or new_mid()
    if "event" in said.extra:
        return Done(mid, _given(said.extra["event"]))
    if said.reaction is not None:
        return Done(mid, {"reaction": _reaction(said.reaction.target, said.reaction.emoji)})
    if said.edit is not None:
        number = files.memory.edit_number(said.edit.target, mid)
        edit = {"mid": said.edit.target, "text": said.edit.text, "num_edit": number}
        return Done(mid, {"message_edit": edit}, opens=False)
    if said.choice is not None and said.extra.get("postback"):
        return Done(mid, {"postback": {"mid": mid, "title": said.choice.title, "payload": said.choice.id}})
    return Done(mid, {"message": _message(said, mid, files, base_url)})


def _possible(said: Said) -> None:
    unknown = sorted(set(said.extra) - EXTRAS)
    if unknown:
        raise ValueError(f"extra.{unknown[0]}: expected one of {', '.join(sorted(EXTRAS))}")
    if said.delete is not None:
        raise ValueError("delete: Messenger tells nobody that a message was deleted")
    if said.digits is not None or said.hang_up:
        raise ValueError("digits, hang_up: Messenger has no calls here")
    given = (said.text, said.choice, said.location, said.media, said.reaction, said.edit, said.extra.get("event"))
    if not any(given):
        raise ValueError("expected one of text, choice, location, media, reaction, edit and extra.event")


def _given(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise ValueError("extra.event: expected an object")
    return event


def _reaction(target: str, emoji: str | None) -> Mapping[str, Any]:
    if emoji is None:
        return {"action": "unreact", "mid": target}
    return {"reaction": _REACTIONS.get(emoji, "other"), "emoji": emoji, "action": "react", "mid": target}


def _message(said: Said, mid: str, files: Files, base_url: str) -> dict[str, Any]:
    message: dict[str, Any] = {"mid": mid}
    if said.choice is not None:
        message |= {"text": said.choice.title, "quick_reply": {"payload": said.choice.id}}
    elif said.text is not None:
        message["text"] = said.text
    if said.reply_to is not None:
        message["reply_to"] = {"mid": said.reply_to, "is_self_reply": False}
    attachments = [part for media in said.media for part in _attachments(said, media, files.link(media, base_url))]
    if said.location is not None:
        place = {"lat": said.location.latitude, "long": said.location.longitude}
        attachments.append({"type": "location", "title": said.location.label, "payload": {"coordinates": place}})
    return message | ({"attachments": attachments} if attachments else {})


def _attachments(said: Said, media: SentMedia, link: str) -> list[dict[str, Any]]:
    """A sticker comes twice until 30 August 2026: as before, and as what it is."""
    if "sticker_id" in said.extra:
        payload = {"url": link, "sticker_id": said.extra["sticker_id"]}
        return [{"type": "image", "payload": payload}, {"type": "sticker", "payload": payload}]
    kind = media.content_type.partition("/")[0]
    return [{"type": kind if kind in ("image", "audio", "video") else "file", "payload": {"url": link}}]
