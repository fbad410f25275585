"""Whose webhook is being read."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Source:
    """``app_id``: our own app at Meta, where it is known."""

    tenant: str
    connection: str
    page_id: str
    app_id: str | None
    received_at: datetime
