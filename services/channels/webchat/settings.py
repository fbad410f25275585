"""Settings of a web chat connection."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config

DAY_S = 86_400
MAX_TOKEN_TTL_S = 30 * DAY_S

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.\-\[\]:]+$", max_length=300)]
"""As browsers write it: scheme, host in lower case, a port where it is not the scheme's own; nothing after that."""


class WebChatSettings(Config):
    allowed_origins: tuple[Origin, ...] = ()
    """Sites whose pages may hold the chat, as in ``https://shop.example``; the installation's own always may."""
    token_ttl_s: Annotated[int, Field(ge=60, le=MAX_TOKEN_TTL_S)] = DAY_S
    """A visitor is known for so many seconds after the token was given."""
