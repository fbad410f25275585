"""What becomes of an accepted message: its statuses one after the other, and the callbacks that tell of them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from services.simulator.ledger import Kind
from services.simulator.settings import StatusPlan
from services.simulator.state import State
from services.simulator.twilio.fetching import Looked
from services.simulator.twilio.inbound import phone_of
from services.simulator.twilio.message import API_VERSION, Message
from services.simulator.twilio.numbers import Number, is_whatsapp
from services.simulator.twilio.posting import post
from services.simulator.twilio.problems import NOT_AT_WHATSAPP, OUTSIDE_WINDOW, WRONG_VARIABLES, Failure
from services.simulator.twilio.sending import variables
from services.simulator.twilio.showing import shown
from services.simulator.twilio.vendor import vendor_of

WINDOW = timedelta(hours=24)
Step = tuple[str, float]
_ENDS_BADLY = ("failed", "undelivered")


def deliver(state: State, number: Number, message: Message, looked: Looked) -> None:
    """Hand an accepted message to the customer, in the order of acceptance, and let its statuses take their course."""
    plan, failure = state.statuses, looked.failure or _failure(state, message)
    if failure:
        plan = plan.model_copy(update={"final": "undelivered"})
    elif plan.final in _ENDS_BADLY:
        failure = (plan.error_code or (63012 if is_whatsapp(message.to) else 30008), "a failure that was asked for")
    state.ledger.add(
        Kind.OUTBOUND,
        phone_of(message.to),
        **shown(vendor_of(state), number, message, looked.types, seen=failure is None),
        sid=message.sid,
        sender=message.sender,
        body=message.body,
        media=message.media,
        template=message.content_sid,
        variables=message.content_variables,
        action=message.action,
        callback=message.callback,
    )
    state.start(_go_on(state, number, message, plan, failure))


def _failure(state: State, message: Message) -> Failure | None:
    """Why WhatsApp does not deliver it: a template that does not fit, or free text too long after the customer's."""
    template = vendor_of(state).templates.get(message.content_sid or "")
    if template is not None and is_whatsapp(message.to):
        if not template.at_whatsapp:
            return NOT_AT_WHATSAPP
        if template.variables != set(variables(message.content_variables or "{}") or {}):
            return WRONG_VARIABLES
    free = not message.content_sid or (template is not None and not template.approved)
    return OUTSIDE_WINDOW if free and _outside_window(state, message) else None


def _outside_window(state: State, message: Message) -> bool:
    """Free text on WhatsApp needs a message of the customer within the last 24 hours."""
    if not is_whatsapp(message.to):
        return False
    last = state.last_inbound.get((message.sender, message.to))
    return not state.strangers_wrote if last is None else state.now() - last > WINDOW


def _steps(plan: StatusPlan, whatsapp: bool) -> Iterator[Step]:
    """The statuses to come with the seconds before each; only WhatsApp tells of ``read``."""
    if plan.final == "queued":
        return
    yield "sent", plan.sent_s
    if plan.final in _ENDS_BADLY:
        yield plan.final, plan.delivered_s
    elif plan.final != "sent":
        yield "delivered", plan.delivered_s
        if plan.final == "read" and whatsapp:
            yield "read", plan.read_s


async def _go_on(state: State, number: Number, message: Message, plan: StatusPlan, failure: Failure | None) -> None:
    later: list[dict[str, str]] = []
    for status, pause_s in _steps(plan, is_whatsapp(message.to)):
        await asyncio.sleep(pause_s)
        message.move_to(status, state.now(), failure if status in _ENDS_BADLY else None)
        state.ledger.add(
            Kind.STATUS,
            phone_of(message.to),
            **_known(number, message),
            status=status,
            error_code=message.error_code,
        )
        callbacks = [_fields(message)] * (2 if plan.duplicated else 1)
        if plan.shuffled:
            later += callbacks
        else:
            await _tell(state, number, message, callbacks)
    await _tell(state, number, message, later[::-1])


def _known(number: Number, message: Message) -> dict[str, Any]:
    where = {"channel": number.line.channel, "line": number.line.connection, "id": message.sid}
    return where | {"sid": message.sid, "sender": message.sender}


async def _tell(state: State, number: Number, message: Message, callbacks: list[dict[str, str]]) -> None:
    if message.callback is None:
        return
    for fields in callbacks:
        posted = await post(state.http, state.tokens[message.account_sid], message.callback, fields)
        told = fields["MessageStatus"]
        state.ledger.add(Kind.CALLBACK, phone_of(message.to), **_known(number, message), told=told, **vars(posted))


def _fields(message: Message) -> dict[str, str]:
    fields = {
        "AccountSid": message.account_sid,
        "From": message.sender,
        "To": message.to,
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "MessageStatus": message.status,
        "SmsStatus": message.status,
        "ApiVersion": API_VERSION,
    }
    if message.messaging_service_sid:
        fields["MessagingServiceSid"] = message.messaging_service_sid
    fields |= _whatsapp_fields(message) if is_whatsapp(message.to) else _sms_fields(message)
    if message.error_code is not None:
        fields |= {"ErrorCode": str(message.error_code), "ErrorMessage": message.error_message or ""}
    return fields


def _whatsapp_fields(message: Message) -> dict[str, str]:
    fields = {"ChannelPrefix": "whatsapp", "ChannelToAddress": f"{message.to[:-4]}XXXX"}
    if message.status in ("delivered", "read", "undelivered"):
        fields["EventType"] = message.status.upper()
    if message.error_code is not None:
        fields["ChannelStatusMessage"] = message.error_message or ""
    return fields


def _sms_fields(message: Message) -> dict[str, str]:
    """When the carrier says that it was done, to the minute."""
    if message.updated is None or message.status not in ("delivered", "undelivered"):
        return {}
    return {"RawDlrDoneDate": f"{message.updated:%y%m%d%H%M}"}
