"""Twilio's voice webhooks in the common format: a call begins, a call ends; and what the caller says in between."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest, explained
from m2n.message import MAX_TEXT, Address, CallContent, Content, Hop, Inbound, TextContent
from services.channels.twilio_core.form import Fields, expect, fields, query, required
from services.channels.voice.callers import identities
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step

CHANNEL = "voice"
OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Statuses of a call after which nothing comes any more."""
MAX_NAME = 512


def is_status(request: WebhookRequest, found: Fields) -> bool:
    """Whether the request tells the state of a call, instead of asking what is to be done with one."""
    return query(request).get("event") == "status" or found.get("CallStatus") in OVER


def parsed(
    request: WebhookRequest, tenant: str, connection: str, settings: VoiceSettings, received_at: datetime
) -> Parsed:
    """One webhook: a call came in, the caller said something, or a call has a new status, of which the last matters.

    Raises MalformedWebhook that names the field.
    """
    found = fields(request)
    expect(found, "AccountSid", settings.account_sid)
    words = said(found)
    if words is not None:
        turn = str(Step.read(query(request)).turn)
        return Parsed(messages=(heard(found, words, turn, tenant, connection, received_at, settings.language),))
    content = _event(request, found, settings)
    if content is None:
        return Parsed()
    key, language = ("start", settings.language) if content.event == "started" else ("end", None)
    return Parsed(messages=(heard(found, content, key, tenant, connection, received_at, language),))


def _event(request: WebhookRequest, found: Fields, settings: VoiceSettings) -> CallContent | None:
    """None for a status in between, and for a leg of the call that leads to somebody else."""
    call = required(found, "CallSid")
    if not is_status(request, found):
        expect(found, "To", settings.number)
        return CallContent(event="started", call=call[:MAX_NAME])
    status = required(found, "CallStatus")
    if status not in OVER or found.get("ParentCallSid"):
        return None
    return CallContent(event="ended", call=call[:MAX_NAME], reason=status)


def heard(
    found: Fields, content: Content, key: str, tenant: str, connection: str, at: datetime, language: str | None
) -> Inbound:
    """Something that happened in a call; ``key`` tells it from whatever else happens in it."""
    call = required(found, "CallSid")
    try:
        return Inbound(
            tenant=tenant,
            address=Address(connection=connection, channel=CHANNEL, to=call),
            vendor_message_id=f"{call}#{key}",
            identities=identities(found.get("From", ""), call),
            content=content,
            received_at=at,
            vendor_time=_time(found.get("Timestamp", "")),
            display_name=found.get("CallerName", "")[:MAX_NAME] or None,
            language=language,
            trail=(Hop(service="webhooks", did="received", at=at),),
        )
    except ValidationError as invalid:
        raise MalformedWebhook(explained(invalid)) from None


def said(found: Fields) -> TextContent | None:
    """The caller's words or keys; None for silence. Keys are what somebody chose, so they go before words.

    Raises MalformedWebhook for what no caller can have said, for it is longer than MAX_TEXT.
    """
    keys, words = found.get("Digits", "").strip(), found.get("SpeechResult", "").strip()
    text = keys or words
    if len(text) > MAX_TEXT:
        raise MalformedWebhook(f"SpeechResult: expected at most {MAX_TEXT} characters")
    return TextContent(text=text) if text else None


def _time(stamp: str) -> datetime | None:
    """Twilio's RFC 2822 time; None where it cannot be read."""
    try:
        moment = parsedate_to_datetime(stamp)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
