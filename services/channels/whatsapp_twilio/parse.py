"""Twilio's WhatsApp webhooks in the common format."""

import re
from datetime import datetime

from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest, explained
from m2n.message import Identity
from services.channels.twilio_core.form import Fields, expect, fields, required
from services.channels.twilio_core.inbound import E164, Arrival, messages
from services.channels.twilio_core.receipts import is_status_callback, receipts
from services.channels.whatsapp_twilio.content import contents
from services.channels.whatsapp_twilio.settings import WhatsAppSettings

CHANNEL = "whatsapp_twilio"
MAX_NAME = 512
_PHONE = re.compile(rf"whatsapp:({E164.pattern})")


def parse(
    request: WebhookRequest, tenant: str, connection: str, settings: WhatsAppSettings, received_at: datetime
) -> Parsed:
    """One webhook: an inbound message (with several media several messages) or a status callback.

    What the common format has no place for is left out: that a message was forwarded, the advertisement that brought
    the customer (``Referral...``), ``ChannelMetadata`` and whatever Twilio adds. Raises MalformedWebhook that names
    the field.
    """
    found = fields(request)
    expect(found, "AccountSid", settings.account_sid)
    try:
        if is_status_callback(found):
            expect(found, "From", settings.sender)
            return Parsed(receipts=receipts(found, request, tenant, connection, received_at))
        expect(found, "To", settings.sender)
        arrived = messages(
            found,
            Arrival(CHANNEL, tenant, connection, received_at),
            _identities(found),
            contents(found),
            display_name=found.get("ProfileName", "")[:MAX_NAME] or None,
            reply_to=found.get("OriginalRepliedMessageSid") or None,
        )
        return Parsed(messages=tuple(arrived))
    except ValidationError as invalid:
        raise MalformedWebhook(explained(invalid)) from None


def _identities(found: Fields) -> tuple[Identity, ...]:
    """The phone number first, where it is shown; a user without one has only WhatsApp's own id of the user."""
    phone = _PHONE.fullmatch(required(found, "From"))
    known = [Identity(scheme="phone", value=phone[1])] if phone else []
    if found.get("ExternalUserId"):
        known.append(Identity(scheme="wa_bsuid", value=found["ExternalUserId"]))
    if not known:
        raise MalformedWebhook("From: expected 'whatsapp:+' and a phone number, or an ExternalUserId beside it")
    return tuple(known)
