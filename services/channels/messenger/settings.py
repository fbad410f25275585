"""Settings of a Messenger connection: one Facebook Page."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config, HttpAddress

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]


class MessengerSettings(Config):
    page_id: Digits
    """The Page's id, digits only."""
    app_id: Digits | None = None
    """Our own app's id at Meta: tells echoes of our messages from those of other apps of the Page."""
    human_agent: bool = False
    """The app has Meta's Human Agent permission: agents may then write up to 7 days after the customer did."""
    graph_version: Annotated[str, Field(pattern=r"^v[0-9]{1,3}\.[0-9]{1,2}$")] = "v23.0"
    base_url: HttpAddress = "https://graph.facebook.com"
    """Base address of the Graph API; stand-ins have another."""
    require_app_secret_proof: bool = False
    """The app's "Require App Secret" is on at Meta: calls carry a proof that their maker knows it."""
    template_language: Annotated[str, Field(pattern=r"^[a-z]{2,3}([-_][A-Za-z]{2,4})?$")] = "en"
    """Of utility templates that name none."""
