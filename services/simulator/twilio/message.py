"""A message as Twilio's REST API shows it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

API_VERSION = "2010-04-01"


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


@dataclass
class Message:
    account_sid: str
    sender: str
    to: str
    created: datetime
    direction: str
    body: str = ""
    media: tuple[str, ...] = ()
    content_sid: str | None = None
    content_variables: str | None = None
    action: str | None = None
    messaging_service_sid: str | None = None
    callback: str | None = None
    status: str = "queued"
    error_code: int | None = None
    error_message: str | None = None
    updated: datetime | None = None
    sid: str = ""

    def __post_init__(self) -> None:
        self.sid = self.sid or new_sid("MM" if self.media else "SM")

    @property
    def uri(self) -> str:
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"

    def move_to(self, status: str, at: datetime, error: tuple[int, str] | None = None) -> None:
        self.status, self.updated = status, at
        if error:
            self.error_code, self.error_message = error

    def resource(self) -> dict[str, Any]:
        """The JSON of the Messages resource."""
        sent = self.updated if self.status not in ("queued", "accepted") else None
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": format_datetime(self.created),
            "date_sent": format_datetime(sent) if sent else None,
            "date_updated": format_datetime(self.updated or self.created),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "from": self.sender,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": str(len(self.media)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{self.uri}/Media.json"},
            "to": self.to,
            "uri": f"{self.uri}.json",
        }
