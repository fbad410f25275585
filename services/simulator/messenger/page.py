"""A Facebook Page and the app that sends for it, as a line's settings and secrets describe them."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from services.simulator.vendors import Line, checked

APP_SECRET, VERIFY_TOKEN, PAGE_TOKEN = "app-secret", "verify-token", "page-token"
SOME_APP = "1517000000000001"
"""Id of the app of lines that name none."""
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]


class _Settings(BaseModel):
    """Of the connection's settings, what Meta knows too. ``human_agent``: the permission was granted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    page_id: Digits
    app_id: Digits = SOME_APP
    human_agent: bool = False
    require_app_secret_proof: bool = False


@dataclass(frozen=True)
class Page:
    line: Line
    id: str
    app_id: str
    human_agent: bool
    wants_proof: bool
    app_secret: str
    verify_token: str
    token: str

    @classmethod
    def of(cls, line: Line) -> Self:
        """Raises ValueError that names what is missing or wrong."""
        given = {name: value for name, value in line.settings.items() if value is not None}
        known = checked(_Settings, given, "settings")
        missing = [name for name in (APP_SECRET, VERIFY_TOKEN, PAGE_TOKEN) if not line.secrets.get(name)]
        if missing:
            raise ValueError(f"secrets.{missing[0]}: expected a value")
        return cls(
            line=line,
            id=known.page_id,
            app_id=known.app_id,
            human_agent=known.human_agent,
            wants_proof=known.require_app_secret_proof,
            app_secret=line.secrets[APP_SECRET],
            verify_token=line.secrets[VERIFY_TOKEN],
            token=line.secrets[PAGE_TOKEN],
        )

    def psid(self, customer: str) -> str:
        """The customer's id for this Page: 17 digits, always the same, and another one for each Page."""
        drawn = int.from_bytes(hashlib.sha256(f"{self.id}:{customer}".encode()).digest()[:8])
        return str(10**16 + drawn % (9 * 10**16))
