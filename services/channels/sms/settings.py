"""Settings of an SMS connection through Twilio."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from services.channels.sms.segments import MAX_SEGMENTS
from services.channels.twilio_core.settings import TwilioSettings

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}")
_NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")


def _sender(value: str) -> str:
    if not (_NUMBER.fullmatch(value) or _NAME.fullmatch(value)):
        raise ValueError(
            "expected a number such as '+15550100001', a short code such as '55501', or a sender name of up to 11 "
            "letters, digits and spaces"
        )
    return value


class SmsSettings(TwilioSettings):
    sender: Annotated[str, AfterValidator(_sender)] | None = None
    """The business's number, short code or sender name. Customers cannot answer a name."""
    messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9a-fA-F]{32}$")] | None = None
    """A Messaging Service, whose numbers Twilio chooses from; with a sender beside it, that one of its numbers."""
    max_segments: Annotated[int, Field(ge=1, le=24)] = MAX_SEGMENTS
    """Longer texts are sent as several messages of at most so many segments, which is what carriers charge for."""
    smart_encoding: bool = False
    """Twilio replaces typographic characters, such as curly quotes, by plain ones, which makes texts shorter."""
    mms: bool = True
    """The sender can send media. If not, their addresses stand in the text."""

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.sender is None and self.messaging_service_sid is None:
            raise ValueError("sender: expected one, or a messaging_service_sid")
        return self

    @property
    def sends_media(self) -> bool:
        """A sender name never can."""
        return self.mms and (self.sender is None or _NUMBER.fullmatch(self.sender) is not None)
