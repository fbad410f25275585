"""What is set up at Twilio beside accounts and numbers, and what it remembers beside messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import Field

from services.simulator.settings import Setup, Sid
from services.simulator.state import State
from services.simulator.vendors import PressedChoice

STOP_WORDS = ("STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL")
START_WORDS = ("START", "YES", "UNSTOP")
HELP_WORDS = ("HELP", "INFO")
ServiceSid = Annotated[str, Field(pattern=r"^MG[0-9a-fA-F]{32}$")]
TemplateSid = Annotated[str, Field(pattern=r"^HX[0-9a-fA-F]{32}$")]
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class AdvancedOptOut(Setup):
    """The words that count at a messaging service, in any language; webhooks then say what Twilio made of them."""

    stop: tuple[str, ...] = STOP_WORDS
    start: tuple[str, ...] = START_WORDS
    help: tuple[str, ...] = HELP_WORDS


class MessagingService(Setup):
    account_sid: Sid
    senders: tuple[str, ...]
    """Addresses of the account's numbers, those of WhatsApp with ``whatsapp:`` before them."""
    advanced_opt_out: AdvancedOptOut | None = None


class Template(Setup):
    """A content template. Texts, titles and ids may hold variables, as ``{{1}}``."""

    account_sid: Sid
    body: str
    buttons: Annotated[tuple[PressedChoice, ...], Field(max_length=10)] = ()
    items: Annotated[tuple[PressedChoice, ...], Field(max_length=10)] = ()
    approved: bool = True
    """By WhatsApp; one that is not goes only to customers who wrote within 24 hours."""
    at_whatsapp: bool = True
    """WhatsApp knows it in its language."""

    @property
    def variables(self) -> frozenset[str]:
        choices = (text for choice in (*self.buttons, *self.items) for text in (choice.id, choice.title))
        return frozenset(name for text in (self.body, *choices) for name in _VARIABLE.findall(text))

    def filled(self, values: Mapping[str, str]) -> "Template":
        """As the customer sees it."""

        def fill(text: str) -> str:
            return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)

        def each(choices: tuple[PressedChoice, ...]) -> tuple[PressedChoice, ...]:
            return tuple(PressedChoice(id=fill(choice.id), title=fill(choice.title)) for choice in choices)

        update = {"body": fill(self.body), "buttons": each(self.buttons), "items": each(self.items)}
        return self.model_copy(update=update)


@dataclass
class Vendor:
    services: dict[str, MessagingService] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    """An account without any knows all that are asked for."""
    files: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    """Open links to media: address of the bytes, content type, and until when."""
    senders: dict[tuple[str, str], str] = field(default_factory=dict)
    """Which number a messaging service uses for a customer, once there was one."""

    def service_of(self, address: str) -> str | None:
        return next((sid for sid, service in self.services.items() if address in service.senders), None)

    def forget(self) -> None:
        self.files.clear()
        self.senders.clear()


@dataclass
class HasVendor:
    """Base of the stand-ins that share one vendor."""

    vendor: Vendor


def vendor_of(state: State) -> Vendor:
    return next(one.vendor for one in state.stand_ins.values() if isinstance(one, HasVendor))
