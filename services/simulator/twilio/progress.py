"""What becomes of an accepted message: its statuses one after the other, and the callbacks that tell of them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from services.simulator.ledger import Kind
from services.simulator.settings import StatusPlan
from services.simulator.state import State
from services.simulator.twilio.message import API_VERSION, Message
from services.simulator.twilio.posting import post
from services.simulator.twilio.problems import OUTSIDE_WINDOW
from services.simulator.twilio.sending import is_whatsapp

WINDOW = timedelta(hours=24)
Step = tuple[str, float]
_ENDS_BADLY = ("failed", "undelivered")


def phone_of(address: str) -> str:
    return address.removeprefix("whatsapp:")


def deliver(state: State, message: Message) -> None:
    """Hand an accepted message to the customer, in the order of acceptance, and let its statuses take their course."""
    plan, error = state.statuses, None
    if _outside_window(state, message):
        plan, error = plan.model_copy(update={"final": "undelivered"}), OUTSIDE_WINDOW
    elif plan.final in _ENDS_BADLY:
        error = (plan.error_code or 63012, "a failure that was asked for")
    state.ledger.add(
        Kind.OUTBOUND,
        phone_of(message.to),
        sid=message.sid,
        sender=message.sender,
        body=message.body,
        media=message.media,
        template=message.content_sid,
        variables=message.content_variables,
        action=message.action,
        callback=message.callback,
        seen=error is None,
    )
    state.start(_go_on(state, message, plan, error))


def _outside_window(state: State, message: Message) -> bool:
    """Free text on WhatsApp needs a message of the customer within the last 24 hours."""
    if not is_whatsapp(message.to) or message.content_sid:
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


async def _go_on(state: State, message: Message, plan: StatusPlan, error: tuple[int, str] | None) -> None:
    later: list[dict[str, str]] = []
    for status, pause_s in _steps(plan, is_whatsapp(message.to)):
        await asyncio.sleep(pause_s)
        message.move_to(status, state.now(), error if status in _ENDS_BADLY else None)
        state.ledger.add(
            Kind.STATUS,
            phone_of(message.to),
            sid=message.sid,
            sender=message.sender,
            status=status,
            error_code=message.error_code,
        )
        callbacks = [_fields(message)] * (2 if plan.duplicated else 1)
        if plan.shuffled:
            later += callbacks
        else:
            await _tell(state, message, callbacks)
    await _tell(state, message, later[::-1])


async def _tell(state: State, message: Message, callbacks: list[dict[str, str]]) -> None:
    if message.callback is None:
        return
    for fields in callbacks:
        posted = await post(state.http, state.tokens[message.account_sid], message.callback, fields)
        told = fields["MessageStatus"]
        state.ledger.add(
            Kind.CALLBACK, phone_of(message.to), sid=message.sid, sender=message.sender, told=told, **vars(posted)
        )


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
    if is_whatsapp(message.to):
        fields |= {"ChannelPrefix": "whatsapp", "ChannelToAddress": f"{message.to[:-4]}XXXX"}
    if is_whatsapp(message.to) and message.status in ("delivered", "read", "undelivered"):
        fields["EventType"] = message.status.upper()
    if message.error_code is not None:
        fields |= {"ErrorCode": str(message.error_code), "ErrorMessage": message.error_message or ""}
    return fields
