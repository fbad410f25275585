"""Settings that every connection to an account at Twilio has."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config, HttpAddress

AUTH_TOKEN = "auth-token"  # noqa: S105 - the secret's name


class TwilioSettings(Config):
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    """The account's SID: AC and 32 hexadecimal digits."""
    base_url: HttpAddress = "https://api.twilio.com"
    """Base address of Twilio's API; regional accounts and stand-ins have another."""
    public_url: HttpAddress | None = None
    """Address under which Twilio calls us, where it is not the installation's public address."""
