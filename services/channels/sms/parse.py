"""Twilio's SMS webhooks in the common format."""

import re
from datetime import datetime

from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest, explained
from m2n.message import Identity
from services.channels.sms.content import contents
from services.channels.sms.settings import SmsSettings
from services.channels.twilio_core.form import Fields, expect, fields, required
from services.channels.twilio_core.inbound import E164, Arrival, messages
from services.channels.twilio_core.receipts import is_status_callback, receipts

CHANNEL = "sms"
_SENDER = re.compile(r"[0-9]{3,8}|[A-Za-z0-9 &+_.-]{1,11}")


def parse(
    request: WebhookRequest, tenant: str, connection: str, settings: SmsSettings, received_at: datetime
) -> Parsed:
    """One webhook: an inbound message (with several media several messages) or a status callback.

    Raises MalformedWebhook that names the field.
    """
    found = fields(request)
    expect(found, "AccountSid", settings.account_sid)
    try:
        if is_status_callback(found):
            _expect_own(found, "From", settings)
            return Parsed(receipts=receipts(found, request, tenant, connection, received_at))
        _expect_own(found, "To", settings)
        arrival = Arrival(CHANNEL, tenant, connection, received_at)
        return Parsed(messages=tuple(messages(found, arrival, (_identity(found),), contents(found))))
    except ValidationError as invalid:
        raise MalformedWebhook(explained(invalid)) from None


def _expect_own(found: Fields, name: str, settings: SmsSettings) -> None:
    """The connection's sender; of a connection that names none any number of its messaging service."""
    if settings.sender is not None:
        expect(found, name, settings.sender)
    else:
        expect(found, "MessagingServiceSid", settings.messaging_service_sid or "")


def _identity(found: Fields) -> Identity:
    """A phone number; what writes from a short code or under a name is no phone, and no person mostly."""
    sender = required(found, "From")
    if E164.fullmatch(sender):
        return Identity(scheme="phone", value=sender)
    if _SENDER.fullmatch(sender):
        return Identity(scheme="sms_sender", value=sender)
    raise MalformedWebhook("From: expected a phone number; other channels' senders need connections of their own")
