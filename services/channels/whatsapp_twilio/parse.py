"""Twilio's WhatsApp webhooks in the common format."""

import re
from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError

from m2n.adapters.channel import MalformedWebhook, Parsed, WebhookRequest
from m2n.message import Address, Hop, Identity, Inbound
from services.channels.twilio_core.form import Fields, expect, fields, required
from services.channels.twilio_core.receipts import is_status_callback, receipts
from services.channels.whatsapp_twilio.content import contents
from services.channels.whatsapp_twilio.settings import WhatsAppSettings

CHANNEL = "whatsapp_twilio"
MAX_NAME = 512
_PHONE = re.compile(r"whatsapp:(\+[1-9][0-9]{5,14})")


def parse(
    request: WebhookRequest, tenant: str, connection: str, settings: WhatsAppSettings, received_at: datetime
) -> Parsed:
    """One webhook: an inbound message (with several media several messages) or a status callback.

    Raises MalformedWebhook that names the field.
    """
    found = fields(request)
    expect(found, "AccountSid", settings.account_sid)
    try:
        if is_status_callback(found):
            expect(found, "From", settings.sender)
            return Parsed(receipts=receipts(found, request, tenant, connection, received_at))
        expect(found, "To", settings.sender)
        return Parsed(messages=tuple(_messages(found, tenant, connection, received_at)))
    except ValidationError as invalid:
        raise MalformedWebhook(_explained(invalid)) from None


def _messages(found: Fields, tenant: str, connection: str, received_at: datetime) -> Iterator[Inbound]:
    sid = required(found, "MessageSid")
    for number, content in enumerate(contents(found)):
        yield Inbound(
            tenant=tenant,
            address=Address(connection=connection, channel=CHANNEL, to=required(found, "From")),
            vendor_message_id=f"{sid}#{number}" if number else sid,
            identities=_identities(found),
            content=content,
            received_at=received_at,
            display_name=found.get("ProfileName", "")[:MAX_NAME] or None,
            reply_to=found.get("OriginalRepliedMessageSid") or None,
            trail=(Hop(service="webhooks", did="received", at=received_at),),
        )


def _identities(found: Fields) -> tuple[Identity, ...]:
    """The phone number first, where it is shown; a user without one has only WhatsApp's own id of the user."""
    phone = _PHONE.fullmatch(required(found, "From"))
    known = [Identity(scheme="phone", value=phone[1])] if phone else []
    if found.get("ExternalUserId"):
        known.append(Identity(scheme="wa_bsuid", value=found["ExternalUserId"]))
    if not known:
        raise MalformedWebhook("From: expected 'whatsapp:+' and a phone number, or an ExternalUserId beside it")
    return tuple(known)


def _explained(invalid: ValidationError) -> str:
    """The field and what was expected, without the customer's words."""
    first = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
