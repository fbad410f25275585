"""Settings of a WhatsApp connection through Twilio."""

from typing import Annotated

from pydantic import Field

from services.channels.twilio_core.settings import HttpAddress, TwilioSettings

_API, _MESSAGING = "://api.", "://messaging."


class WhatsAppSettings(TwilioSettings):
    sender: Annotated[str, Field(pattern=r"^whatsapp:\+[1-9][0-9]{6,14}$")]
    """The business's own number, as in ``whatsapp:+15550100001``."""
    messaging_base_url: HttpAddress | None = None
    """Base address of Twilio's messaging API, which shows that somebody types; unless set, it follows from base_url."""

    @property
    def messaging_url(self) -> str:
        """Twilio has the same name for both APIs but for the first word; a stand-in has one address for both."""
        return (self.messaging_base_url or self.base_url.replace(_API, _MESSAGING, 1)).rstrip("/")
