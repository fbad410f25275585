"""A message as Twilio's REST API shows it, and the media that belong to it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from services.simulator.twilio import segments

API_VERSION = "2010-04-01"


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True)
class Piece:
    """A piece of media; ``url`` is where its bytes are, which nobody but the stand-in learns."""

    sid: str
    content_type: str
    url: str
    created: datetime

    def resource(self, message: "Message") -> dict[str, Any]:
        """The JSON of the Media resource."""
        return {
            "account_sid": message.account_sid,
            "content_type": self.content_type,
            "date_created": format_datetime(self.created),
            "date_updated": format_datetime(self.created),
            "parent_sid": message.sid,
            "sid": self.sid,
            "uri": f"{message.uri}/Media/{self.sid}.json",
        }


@dataclass
class Message:
    account_sid: str
    sender: str
    to: str
    created: datetime
    direction: str
    body: str = ""
    media: tuple[str, ...] = ()
    """Addresses that a request to send named."""
    pieces: tuple[Piece, ...] = ()
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

    @property
    def is_sms(self) -> bool:
        return not self.to.startswith("whatsapp:")

    def move_to(self, status: str, at: datetime, error: tuple[int, str] | None = None) -> None:
        self.status, self.updated = status, at
        if error:
            self.error_code, self.error_message = error

    def resource(self) -> dict[str, Any]:
        """The JSON of the Messages resource. Which of a messaging service's numbers sends is not known at first."""
        waits = self.status in ("queued", "accepted")
        sent = None if waits else self.updated
        media = len(self.pieces) or len(self.media)
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
            "from": None if self.status == "accepted" else self.sender,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": str(media),
            "num_segments": str(segments.count(self.body) if self.is_sms and not media else 1),
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{self.uri}/Media.json"},
            "to": self.to,
            "uri": f"{self.uri}.json",
        }
