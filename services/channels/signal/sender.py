"""Who an envelope is from."""

import re
from dataclasses import dataclass
from typing import Self

from m2n.adapters.channel import MalformedWebhook
from m2n.message import Identity
from services.channels.signal.envelope import Envelope
from services.channels.signal.references import Reference

_UUID = re.compile(r"(?:PNI:)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}")


@dataclass(frozen=True)
class Sender:
    """The account's uuid is the identity; the phone number is there only where the customer shows it."""

    uuid: str | None
    phone: str | None

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        """Raises MalformedWebhook where there is neither."""
        uuid = envelope.sourceUuid if _UUID.fullmatch(envelope.sourceUuid or "") else None
        phone = envelope.sourceNumber if _PHONE.fullmatch(envelope.sourceNumber or "") else None
        if uuid is None and phone is None:
            raise MalformedWebhook("envelope.sourceUuid: expected the sender's uuid, or sourceNumber in E.164")
        return cls(uuid.lower().replace("pni:", "PNI:") if uuid else None, phone)

    @property
    def address(self) -> str:
        """What the send call takes."""
        return self.uuid or self.phone or ""

    @property
    def identities(self) -> tuple[Identity, ...]:
        known = [Identity(scheme="signal_uuid", value=self.uuid)] if self.uuid else []
        return (*known, *([Identity(scheme="phone", value=self.phone)] if self.phone else []))

    def reference(self, sent_ms: int) -> Reference:
        return Reference(self.address, sent_ms)

    def is_named(self, uuid: str | None, number: str | None) -> bool:
        """Whether these are the sender's: by the uuid where both are known, else by the number."""
        if uuid and self.uuid:
            return uuid.lower() == self.uuid.lower()
        return bool(number) and number == self.phone
