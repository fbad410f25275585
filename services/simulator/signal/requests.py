"""What the gateway's calls take (its src/docs/swagger.json); what is not known there is passed over."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class SendRequest(_Request):
    number: str = ""
    recipients: tuple[str, ...] = ()
    message: str = ""
    base64_attachments: tuple[str, ...] = ()
    text_mode: Literal["normal", "styled"] | None = None
    quote_timestamp: int | None = None
    quote_author: str | None = None
    quote_message: str | None = None
    edit_timestamp: int | None = None


class ReactionRequest(_Request):
    recipient: str = ""
    reaction: str = ""
    target_author: str = ""
    timestamp: int = 0


class TypingRequest(_Request):
    recipient: str = ""


class ReceiptRequest(_Request):
    recipient: str = ""
    receipt_type: str = ""
    timestamp: int = 0


class DeleteRequest(_Request):
    recipient: str = ""
    timestamp: int = 0


class ChallengeRequest(_Request):
    challenge_token: str = ""
    captcha: str = ""
