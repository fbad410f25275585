"""Faults of channel adapters, each put into a good one: what the kit has to notice, by category.

A fault takes the good channel and returns what replaces members of it.
"""

import json
import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import structlog
from pydantic import BaseModel, Field

from m2n.adapters.channel import (
    Accepted,
    Acknowledgement,
    CallOutcome,
    Channel,
    MalformedWebhook,
    MediaCall,
    NoMedia,
    Parsed,
    Refused,
    Retry,
    SendContext,
    Uncertain,
    VendorCall,
    WebhookRequest,
)
from m2n.certify.findings import Category
from m2n.message import (
    ButtonsContent,
    Inbound,
    Media,
    Outbound,
    ReceiptStatus,
    TextContent,
    UnsupportedContent,
    VendorError,
)
from m2n.tenant import Connection

Members = dict[str, Any]
Fault = Callable[[Channel], Members]
FAULTS: list[tuple[Fault, frozenset[Category]]] = []


def fails(*categories: Category) -> Callable[[Fault], Fault]:
    """The kit fails a channel with this fault in exactly these categories."""

    def listed(fault: Fault) -> Fault:
        FAULTS.append((fault, frozenset(categories)))
        return fault

    return listed


def _parsing(good: Channel, change: Callable[[Parsed], Parsed]) -> Members:
    """The good channel with something done to all that it parses."""

    def parse(self: Any, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        return change(good.parse(request, tenant, connection, received_at))

    return {"parse": parse}


def _reading(good: Channel, look: Callable[[bytes], object]) -> Members:
    """The good channel that looks at bodies before it parses them."""

    def parse(self: Any, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        look(request.body)
        return good.parse(request, tenant, connection, received_at)

    return {"parse": parse}


def _messages(good: Channel, change: Callable[[Inbound], dict[str, Any]]) -> Members:
    def changed(parsed: Parsed) -> Parsed:
        return replace(parsed, messages=tuple(one.model_copy(update=change(one)) for one in parsed.messages))

    return _parsing(good, changed)


def _verifying(verified: Callable[[WebhookRequest, Mapping[str, str]], bool]) -> Members:
    def verify(self: Any, request: WebhookRequest, connection: Connection, secrets: Mapping[str, str]) -> bool:
        return verified(request, secrets)

    return {"verify": verify}


def _rendering(good: Channel, change: Callable[[VendorCall, Outbound, SendContext], VendorCall]) -> Members:
    def render(self: Any, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return tuple(change(call, message, context) for call in good.render(message, context))

    return {"render": render}


def _judging(outcome: Callable[[int, Mapping[str, str], bytes], CallOutcome]) -> Members:
    def judged(self: Any, status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        return outcome(status, headers, body)

    return {"outcome": judged}


def _genuine(good: Channel, request: WebhookRequest, secrets: Mapping[str, str]) -> bool:
    connection = Connection.model_validate({"id": "acme-m2n-model", "kind": "channel", "adapter": "m2n_model"})
    return good.verify(request, connection, secrets)


def _signature(request: WebhookRequest) -> str:
    return next((value for name, value in request.headers.items() if name.endswith("-signature")), "")


@fails(Category.PROTOCOL)
def has_a_parameter_more(good: Channel) -> Members:
    def render(self: Any, message: Outbound, context: SendContext, loud: bool = False) -> tuple[VendorCall, ...]:
        return good.render(message, context)

    return {"render": render}


@fails(Category.PROTOCOL)
def says_no_types(good: Channel) -> Members:
    return {"acknowledge": lambda self, parsed: good.acknowledge(parsed)}


@fails(Category.PROTOCOL)
def takes_any_setting(good: Channel) -> Members:
    class Loose(BaseModel):
        account: str
        base_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] = "https://api.m2n-model.example"

        @property
        def api(self) -> str:
            return f"{self.base_url}/v1"

    return {"settings": Loose}


@fails(Category.PROTOCOL)
def answers_the_vendor_with_an_error(good: Channel) -> Members:
    def acknowledge(self: Any, parsed: Parsed) -> Acknowledgement:
        return Acknowledgement(status=302)

    return {"acknowledge": acknowledge}


@fails(Category.RIGHT)
def refuses_long_bodies(good: Channel) -> Members:
    return _verifying(lambda request, secrets: len(request.body) < 400 and _genuine(good, request, secrets))


@fails(Category.FORGED)
def does_not_compare_all_of_the_proof(good: Channel) -> Members:
    def mended(request: WebhookRequest, secrets: Mapping[str, str]) -> bool:
        """As if the fourth character from the end were not compared."""
        sent = _signature(request)
        proofs = (sent, *(f"{sent[:-4]}{digit}{sent[-3:]}" for digit in "0123456789abcdef"))
        headers = ({**request.headers, "x-m2n-model-signature": proof} for proof in proofs)
        return any(_genuine(good, replace(request, headers=one), secrets) for one in headers)

    return _verifying(mended)


@fails(Category.FORGED)
def signs_what_it_understood(good: Channel) -> Members:
    def anew(request: WebhookRequest, secrets: Mapping[str, str]) -> bool:
        """Takes the vendor's bytes, and the same JSON in bytes of its own."""
        compact = orjson.dumps(json.loads(request.body)) if request.body[:1] == b"{" else request.body
        return _genuine(good, request, secrets) or _genuine(good, replace(request, body=compact), secrets)

    return _verifying(lambda request, secrets: _readable(request.body) and anew(request, secrets))


def _readable(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


@fails(Category.FORGED)
def stumbles_over_garbage(good: Channel) -> Members:
    return _verifying(
        lambda request, secrets: bool(_signature(request).encode("ascii")) and _genuine(good, request, secrets)
    )


@fails(Category.STALE)
def never_looks_at_the_time(good: Channel) -> Members:
    patient: Any = type(good)
    return _verifying(lambda request, secrets: _genuine(patient(clock=lambda: _signed_at(request)), request, secrets))


def _signed_at(request: WebhookRequest) -> datetime:
    seconds = _signature(request).partition(",")[0].removeprefix("t=")
    return datetime.fromtimestamp(int(seconds) if seconds.isdecimal() and len(seconds) < 11 else 0).astimezone()


@fails(Category.MISSING)
def lets_in_what_has_no_proof(good: Channel) -> Members:
    return _verifying(lambda request, secrets: not _signature(request) or _genuine(good, request, secrets))


@fails(Category.NO_SECRET)
def verifies_with_an_empty_key(good: Channel) -> Members:
    return _verifying(lambda request, secrets: not all(secrets.values()) or _genuine(good, request, secrets))


@fails(Category.BATCH)
def reads_ten_messages_at_most(good: Channel) -> Members:
    return _parsing(good, lambda parsed: replace(parsed, messages=parsed.messages[:10]))


@fails(Category.BATCH, Category.GOLDEN)
def reads_from_the_end(good: Channel) -> Members:
    return _parsing(good, lambda parsed: replace(parsed, messages=parsed.messages[::-1]))


@fails(Category.BATCH)
def gives_up_for_one_broken_message(good: Channel) -> Members:
    def strict(parsed: Parsed) -> Parsed:
        if parsed.unreadable:
            raise MalformedWebhook(parsed.unreadable[0].reason)
        return parsed

    return _parsing(good, strict)


@fails(Category.BATCH)
def forgets_what_it_cannot_read(good: Channel) -> Members:
    return _parsing(good, lambda parsed: replace(parsed, unreadable=()))


@fails(Category.DUPLICATE, Category.GOLDEN)
def knows_messages_by_their_words(good: Channel) -> Members:
    return _messages(good, lambda one: {"vendor_message_id": str(getattr(one.content, "text", "other"))[:40] or "none"})


@fails(Category.DUPLICATE)
def knows_messages_by_the_day(good: Channel) -> Members:
    def with_day(one: Inbound) -> dict[str, Any]:
        late = one.received_at.day != 2
        return {"vendor_message_id": f"{one.vendor_message_id}-late" if late else one.vendor_message_id}

    return _messages(good, with_day)


@fails(Category.UNKNOWN_TYPE, Category.GOLDEN)
def drops_unknown_types(good: Channel) -> Members:
    def known(parsed: Parsed) -> Parsed:
        kept = (one for one in parsed.messages if not isinstance(one.content, UnsupportedContent))
        return replace(parsed, messages=tuple(kept))

    return _parsing(good, known)


@fails(Category.UNKNOWN_TYPE)
def refuses_new_fields(good: Channel) -> Members:
    def look(body: bytes) -> None:
        if b"new_field" in body:
            raise MalformedWebhook("body: expected only fields that are known")

    return _reading(good, look)


@fails(Category.BROKEN)
def believes_that_a_body_is_an_object(good: Channel) -> Members:
    def look(body: bytes) -> None:
        if _readable(body) and len(body) < 1_000:
            dict(json.loads(body))

    return _reading(good, look)


@fails(Category.BROKEN, Category.SECRECY)
def quotes_what_it_cannot_read(good: Channel) -> Members:
    def parse(self: Any, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        try:
            return good.parse(request, tenant, connection, received_at)
        except MalformedWebhook as bad:
            raise MalformedWebhook(f"{bad}: got {request.body[:2_000].decode('utf-8', 'replace')}") from bad

    return {"parse": parse}


@fails(Category.DEEP_AND_HUGE)
def falls_over_deep_json(good: Channel) -> Members:
    def look(body: bytes) -> None:
        try:
            json.loads(body)
        except ValueError:
            return

    return _reading(good, look)


@fails(Category.DEEP_AND_HUGE)
def shortens_long_texts(good: Channel) -> Members:
    def parse(self: Any, request: WebhookRequest, tenant: str, connection: Connection, received_at: datetime) -> Parsed:
        if len(request.body) < 500_000 or b"xxxxx" not in request.body:
            return good.parse(request, tenant, connection, received_at)
        event = json.loads(request.body)["events"][0]
        short = json.dumps({"events": [event | {"text": event["text"][:60_000]}]}).encode()
        return good.parse(replace(request, body=short), tenant, connection, received_at)

    return {"parse": parse}


def _of_text(good: Channel, change: Callable[[str], str]) -> Members:
    def changed(one: Inbound) -> dict[str, Any]:
        text = isinstance(one.content, TextContent)
        return {"content": TextContent(text=change(one.content.text))} if text else {}  # pyright: ignore

    return _messages(good, changed)


@fails(Category.CHARACTERS)
def composes_accents(good: Channel) -> Members:
    return _of_text(good, lambda text: unicodedata.normalize("NFC", text))


@fails(Category.CHARACTERS)
def cannot_bear_nul(good: Channel) -> Members:
    return _of_text(good, lambda text: text.replace("\0", ""))


@fails(Category.CHARACTERS)
def makes_dates_of_dates(good: Channel) -> Members:
    return _of_text(good, lambda text: text if text != "P1D" else str(timedelta(days=1)))


@fails(Category.GOLDEN)
def guesses_a_language(good: Channel) -> Members:
    return _messages(good, lambda one: {"language": "en"})


@fails(Category.GOLDEN)
def cannot_fetch_what_it_receives(good: Channel) -> Members:
    def media_call(self: Any, media: Media, connection: Connection, secrets: Mapping[str, str]) -> MediaCall:
        raise NoMedia("not yet")

    return {"media_call": media_call}


@fails(Category.GOLDEN)
def claims_to_receive_video(good: Channel) -> Members:
    can = good.capabilities
    return {"capabilities": replace(can, received={**can.received, "video": can.received["image"]})}


def _body(call: VendorCall) -> dict[str, Any]:
    return orjson.loads(call.json or b"{}")


@fails(Category.RENDERING)
def cuts_long_texts(good: Channel) -> Members:
    def cut(call: VendorCall, message: Outbound, context: SendContext) -> VendorCall:
        body = _body(call)
        return replace(call, json=orjson.dumps(body | {"text": body.get("text", "")[:900]}))

    return _rendering(good, cut)


@fails(Category.RENDERING)
def shows_two_buttons_of_three(good: Channel) -> Members:
    def fewer(call: VendorCall, message: Outbound, context: SendContext) -> VendorCall:
        body = _body(call)
        return replace(call, json=orjson.dumps(body | {"choices": body["choices"][:2]})) if "choices" in body else call

    return _rendering(good, fewer)


@fails(Category.RENDERING)
def tears_emoji(good: Channel) -> Members:
    """Splits by itself, at a limit of its own, wherever that falls."""

    def render(self: Any, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        content = message.content
        if not isinstance(content, TextContent) or len(content.text) < 996:
            return good.render(message, context)
        parts = (content.text[:996], content.text[996:])
        texts = (TextContent(text=part) for part in parts if part)
        return tuple(
            call for one in texts for call in good.render(message.model_copy(update={"content": one}), context)
        )

    return {"render": render}


@fails(Category.RENDERING)
def puts_addresses_into_paths(good: Channel) -> Members:
    return _rendering(good, lambda call, message, _: replace(call, url=f"{call.url}/{message.address.to}"))


@fails(Category.RENDERING)
def sends_to_a_host_of_its_own(good: Channel) -> Members:
    return _rendering(good, lambda call, message, _: replace(call, url="https://elsewhere.example/v1/messages"))


@fails(Category.RENDERING)
def claims_what_it_cannot_show(good: Channel) -> Members:
    return {"capabilities": replace(good.capabilities, location=True)}


@fails(Category.RENDERING)
def claims_to_show_typing(good: Channel) -> Members:
    return {"capabilities": replace(good.capabilities, signals=frozenset({"typing"}))}


@fails(Category.RENDERING)
def loses_choices(good: Channel) -> Members:
    def render(self: Any, message: Outbound, context: SendContext) -> tuple[VendorCall, ...]:
        return () if isinstance(message.content, ButtonsContent) else good.render(message, context)

    return {"render": render}


@fails(Category.OUTCOMES)
def takes_all_for_accepted(good: Channel) -> Members:
    return _judging(lambda status, headers, body: Accepted(None))


@fails(Category.OUTCOMES)
def sends_again_what_may_have_been_taken(good: Channel) -> Members:
    def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        found = good.outcome(status, headers, body)
        return Retry(found.error) if isinstance(found, Uncertain) else found

    return _judging(outcome)


@fails(Category.OUTCOMES)
def does_not_wait_as_long_as_it_is_told(good: Channel) -> Members:
    def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        found = good.outcome(status, headers, body)
        return Retry(found.error) if isinstance(found, Retry) else found

    return _judging(outcome)


@fails(Category.OUTCOMES)
def expects_json_of_gateways(good: Channel) -> Members:
    def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        if status == 504:
            orjson.loads(body)
        return good.outcome(status, headers, body)

    return _judging(outcome)


@fails(Category.OUTCOMES)
def gives_up_where_nobody_knows(good: Channel) -> Members:
    def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        found = good.outcome(status, headers, body)
        return Refused(VendorError(code="http_500")) if status == 500 else found

    return _judging(outcome)


def _told(good: Channel, status: ReceiptStatus, instead: ReceiptStatus) -> Members:
    def changed(parsed: Parsed) -> Parsed:
        receipts = (
            one.model_copy(update={"status": instead}) if one.status is status else one for one in parsed.receipts
        )
        return replace(parsed, receipts=tuple(receipts))

    return _parsing(good, changed)


@fails(Category.RECEIPTS)
def takes_delivered_for_sent(good: Channel) -> Members:
    return _told(good, ReceiptStatus.DELIVERED, ReceiptStatus.SENT)


@fails(Category.RECEIPTS)
def claims_queued(good: Channel) -> Members:
    return {"capabilities": replace(good.capabilities, receipts=frozenset(ReceiptStatus))}


@fails(Category.RECEIPTS)
def refuses_new_statuses(good: Channel) -> Members:
    def look(body: bytes) -> None:
        if b"m2n_new_status" in body:
            raise MalformedWebhook("status: expected one that is known")

    return _reading(good, look)


@fails(Category.RECEIPTS)
def names_messages_by_the_vendors_id_alone(good: Channel) -> Members:
    def changed(parsed: Parsed) -> Parsed:
        if parsed.messages or any(one.error for one in parsed.receipts):
            return parsed
        ids = [{"message_id": None, "vendor_message_id": one.message_id} for one in parsed.receipts]
        pairs = zip(parsed.receipts, ids, strict=True)
        return replace(parsed, receipts=tuple(one.model_copy(update=update) for one, update in pairs))

    return _parsing(good, changed)


@fails(Category.SECRECY)
def logs_what_customers_write(good: Channel) -> Members:
    return _reading(good, lambda body: logging.getLogger("adapter").debug("got %s", body[:1_000]))


@fails(Category.SECRECY)
def logs_by_event(good: Channel) -> Members:
    return _reading(
        good, lambda body: structlog.get_logger().info("webhook", raw=body[:1_000].decode("utf-8", "replace"))
    )


@fails(Category.SECRECY)
def prints_secrets(good: Channel) -> Members:
    def verified(request: WebhookRequest, secrets: Mapping[str, str]) -> bool:
        print("verifying with", dict(secrets))
        return _genuine(good, request, secrets)

    return _verifying(verified)


@fails(Category.SECRECY)
def sends_secrets_in_bodies(good: Channel) -> Members:
    def with_key(call: VendorCall, message: Outbound, context: SendContext) -> VendorCall:
        return replace(call, json=orjson.dumps(_body(call) | {"key": context.secrets["api-key"]}))

    return _rendering(good, with_key)


@fails(Category.SECRECY)
def shows_secrets_in_addresses(good: Channel) -> Members:
    def with_key(call: VendorCall, message: Outbound, context: SendContext) -> VendorCall:
        return replace(call, url=f"{call.url}?key={context.secrets['signing-secret'].replace(' ', '%20')}")

    return _rendering(good, with_key)


@fails(Category.SECRECY)
def repeats_what_the_vendor_says(good: Channel) -> Members:
    def outcome(status: int, headers: Mapping[str, str], body: bytes) -> CallOutcome:
        found = good.outcome(status, headers, body)
        said = body[:200].decode("utf-8", "replace")
        return Refused(VendorError(code="x", reason=said)) if isinstance(found, Refused) else found

    return _judging(outcome)
