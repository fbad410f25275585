"""Settings of a WhatsApp connection through the Cloud API."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config, HttpAddress

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]


class WhatsAppCloudSettings(Config):
    phone_number_id: Digits
    """Meta's id of the business's number (not the number itself)."""
    waba_id: Digits | None = None
    """Id of the WhatsApp Business Account; if it is given, webhooks of any other are refused."""
    graph_version: Annotated[str, Field(pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}$")] = "v23.0"
    base_url: HttpAddress = "https://graph.facebook.com"
    """Base address of the Graph API; stand-ins have another."""
    require_app_secret_proof: bool = False
    """The app's "Require App Secret" is on at Meta: calls carry a proof that their maker knows it."""
    template_language: Annotated[str, Field(pattern=r"^[a-z]{2,3}([-_][A-Za-z]{2,4})?$")] = "en"
    """Of templates that name none."""
    media_hosts: Annotated[tuple[HostName, ...], Field(max_length=20)] = (
        "fbsbx.com",
        "facebook.com",
        "fbcdn.net",
        "whatsapp.net",
    )
    """Hosts, with those below them, from which customers' media are fetched with the access token."""
