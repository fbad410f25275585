"""Settings of a WhatsApp connection through Twilio."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config

HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=500)]


class WhatsAppSettings(Config):
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    """The account's SID: AC and 32 hexadecimal digits."""
    sender: Annotated[str, Field(pattern=r"^whatsapp:\+[1-9][0-9]{6,14}$")]
    """The business's own number, as in ``whatsapp:+15550100001``."""
    base_url: HttpAddress = "https://api.twilio.com"
    """Base address of Twilio's API; regional accounts and stand-ins have another."""
    public_url: HttpAddress | None = None
    """Address under which Twilio calls us, where it is not the installation's public address."""
