"""Twilio's channels as stand-ins: tenants' lines, and being a customer on one.

Both are one vendor: they share accounts, messages, opt-outs, messaging services and templates. Its API lies at the
simulator's root, as it does at Twilio, so a connection's ``base_url`` is the simulator's own address.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.simulator.settings import Sid
from services.simulator.state import State
from services.simulator.twilio import setup_api
from services.simulator.twilio.inbound import Button, Location, Media, Written, receive
from services.simulator.twilio.numbers import SMS, WHATSAPP, Number, addresses, find
from services.simulator.twilio.vendor import HasVendor, MessagingService, ServiceSid, Vendor
from services.simulator.vendors import Line, Said, SaidAnswer, checked

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]+")
_NOT_ON_WHATSAPP = ("reaction", "edit", "delete", "digits", "hang_up")
_NOT_IN_SMS = (*_NOT_ON_WHATSAPP, "choice", "location", "reply_to")


class _Account(BaseModel):
    """What a line's settings must say of the account, whatever else stands in them."""

    account_sid: Sid
    sender: Annotated[str, Field(min_length=1)] | None = None
    messaging_service_sid: ServiceSid | None = None


@dataclass
class TwilioChannel(HasVendor):
    """One of Twilio's channels. ``impossible`` names what a customer cannot do on it."""

    channel: str
    title: str
    impossible: tuple[str, ...]
    state: State

    def routers(self) -> Sequence[APIRouter]:
        """Setting up services and templates, once for all of Twilio's channels; the API itself is at the root."""
        return (setup_api.router(self.state, self.vendor),) if self.channel == SMS else ()

    def enter(self, line: Line) -> None:
        account = checked(_Account, line.settings, "settings")
        if not account.sender and not account.messaging_service_sid:
            raise ValueError("settings: expected a sender or a messaging_service_sid")
        token = line.secrets.get("auth-token")
        if not token:
            raise ValueError("secrets: expected an auth-token")
        self.state.tokens[account.account_sid] = token
        service = account.messaging_service_sid
        if service and service not in self.vendor.services:
            sender = account.sender or _invented_number(service)
            self.vendor.services[service] = MessagingService(account_sid=account.account_sid, senders=(sender,))

    def forget(self) -> None:
        self.vendor.forget()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        """``extra`` are further parameters of the webhook, as texts."""
        self._check(said)
        number, address = self._number(line, customer), self._address(customer)
        n = self.state.ledger.last
        sid, posted = await receive(self.state, number, address, _written(number, customer, said), base_url)
        return SaidAnswer(message_id=sid, n=n, **vars(posted))

    def _check(self, said: Said) -> None:
        what = next((name for name in self.impossible if getattr(said, name)), None)
        if what:
            raise ValueError(f"{what}: there is no such thing on {self.title}")

    def _address(self, customer: str) -> str:
        if _PHONE.fullmatch(customer):
            return customer if self.channel == SMS else f"whatsapp:{customer}"
        if self.channel == WHATSAPP and _USER_ID.fullmatch(customer):
            return f"whatsapp:{customer}"
        raise ValueError("customer: expected a phone number such as +15550100002")

    def _number(self, line: Line, customer: str) -> Number:
        """The line's number that the customer knows, else its first."""
        own = addresses(line, self.vendor)
        service = line.settings.get("messaging_service_sid", "")
        known = self.vendor.senders.get((service, self._address(customer)))
        number = find(self.state, known if known in own else own[0]) if own else None
        if number is None:
            raise ValueError(f"the line's messaging service has no number on {self.title}")
        return number


def stand_ins(state: State) -> tuple[TwilioChannel, TwilioChannel]:
    """WhatsApp and SMS, of one vendor."""
    vendor = Vendor()
    return (
        TwilioChannel(vendor, WHATSAPP, "WhatsApp (Twilio)", _NOT_ON_WHATSAPP, state),
        TwilioChannel(vendor, SMS, "SMS (Twilio)", _NOT_IN_SMS, state),
    )


def _written(number: Number, customer: str, said: Said) -> Written:
    """Raises ValueError for a customer who does nothing."""
    choice, place = said.choice, said.location
    if not any((said.text, choice, place, said.media, said.extra)):
        raise ValueError("expected a text, a choice, a location or media")
    return Written(
        to=number.address,
        body=said.text or "",
        media=tuple(Media(url=one.url, content_type=one.content_type) for one in said.media),
        button=Button(payload=choice.id, text=choice.title) if choice else None,
        location=Location(**place.model_dump()) if place else None,
        reply_to=said.reply_to,
        profile_name=said.name,
        external_user_id=customer if _USER_ID.fullmatch(customer) else None,
        message_sid=said.message_id,
        extra={name: str(value) for name, value in said.extra.items()},
    )


def _invented_number(service: str) -> str:
    """A number for a messaging service of which nothing was said: always the same one."""
    return f"+1555{int(hashlib.sha256(service.encode()).hexdigest(), 16) % 10_000_000:07d}"
