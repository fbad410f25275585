"""What a request to send asks for, and what Twilio finds wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import FormData

from services.simulator.state import State
from services.simulator.twilio.numbers import Number, channel_of, find, is_whatsapp, of_service
from services.simulator.twilio.problems import Problem
from services.simulator.twilio.vendor import vendor_of

MAX_BODY = 1600
MAX_MEDIA, MAX_WHATSAPP_MEDIA = 10, 1
_RECIPIENT = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}|[0-9]{3,8}|whatsapp:[A-Z]{2}\.[A-Za-z0-9.]+")
_SENDER = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")


@dataclass(frozen=True)
class Send:
    """The fields of a request; '' where one is missing."""

    to: str
    sender: str
    service: str
    body: str
    media: tuple[str, ...]
    content_sid: str
    content_variables: str
    action: str
    callback: str

    @classmethod
    def read(cls, form: FormData) -> Self:
        def field(name: str) -> str:
            value = form.get(name)
            return value if isinstance(value, str) else ""

        return cls(
            to=field("To"),
            sender=field("From"),
            service=field("MessagingServiceSid"),
            body=field("Body"),
            media=tuple(url for url in form.getlist("MediaUrl") if isinstance(url, str)),
            content_sid=field("ContentSid"),
            content_variables=field("ContentVariables"),
            action=field("PersistentAction"),
            callback=field("StatusCallback"),
        )


def problem_of(send: Send) -> Problem | None:
    """The first thing that is wrong with the fields alone."""
    return _missing(send) or _wrong_address(send) or _wrong_content(send) or _wrong_media(send)


def _missing(send: Send) -> Problem | None:
    if not send.to:
        return Problem(21604, "A 'To' phone number is required.")
    if not send.sender and not send.service:
        return Problem(21603, "A 'From' phone number is required.")
    if not send.body and not send.media and not send.content_sid:
        return Problem(21602, "Message body is required.")
    return None


def _wrong_address(send: Send) -> Problem | None:
    if send.sender and not _SENDER.fullmatch(send.sender):
        return Problem(21212, f"Invalid From Number (caller ID): {send.sender}")
    if not _RECIPIENT.fullmatch(send.to):
        return Problem(21211, f"Invalid 'To' Phone Number: {send.to}")
    if send.sender and is_whatsapp(send.sender) != is_whatsapp(send.to):
        return Problem(21910, "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel")
    if send.service and not re.fullmatch(r"MG[0-9a-fA-F]{32}", send.service):
        return Problem(21705, "The Messaging Service Sid is invalid")
    return None


def _wrong_content(send: Send) -> Problem | None:
    if len(send.body) > MAX_BODY:
        return Problem(21617, f"The concatenated message body exceeds the {MAX_BODY} character limit")
    if send.content_sid and not re.fullmatch(r"HX[0-9a-fA-F]{32}", send.content_sid):
        return Problem(21655, "The ContentSid is Invalid")
    if send.content_variables and variables(send.content_variables) is None:
        return Problem(21656, "The ContentVariables Parameter is invalid")
    if send.callback and not _is_http(send.callback):
        return Problem(21609, f"The StatusCallback URL {send.callback} is not a valid URL.")
    return None


def _wrong_media(send: Send) -> Problem | None:
    if len(send.media) > (MAX_WHATSAPP_MEDIA if is_whatsapp(send.to) else MAX_MEDIA):
        return Problem(21623, "Number of media files exceeds allowed limit")
    if not all(map(_is_http, send.media)):
        return Problem(21620, "Invalid media URL(s)")
    return None


def variables(text: str) -> dict[str, str] | None:
    """The variables of a template by name; None for what is no object of texts."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    return {str(name): str(value) for name, value in found.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _is_http(url: str) -> bool:
    """An address that Twilio takes: its host has no underscore."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")


_TEST_SENDERS: Mapping[str, Problem | None] = {
    "+15005550006": None,
    "+15005550001": Problem(21212, "The 'From' number is not valid."),
    "+15005550007": Problem(21606, "The 'From' number is not owned by the account or cannot send SMS."),
    "+15005550008": Problem(21611, "The 'From' number has a full queue."),
}
_TEST_RECIPIENTS: Mapping[str, Problem] = {
    "+15005550001": Problem(21211, "The 'To' number is not valid."),
    "+15005550002": Problem(21612, "There is no route to the 'To' number."),
    "+15005550003": Problem(21408, "The account may not send to the 'To' number's country."),
    "+15005550004": Problem(21610, "The 'To' number is blocked."),
    "+15005550009": Problem(21614, "The 'To' number cannot receive SMS."),
}


def test_problem_of(send: Send) -> Problem | None:
    """What test credentials answer to the magic numbers (Twilio, "Test Credentials")."""
    not_owned = _TEST_SENDERS["+15005550007"]
    return _TEST_SENDERS.get(send.sender, not_owned) or _TEST_RECIPIENTS.get(send.to)


def choose_number(state: State, account_sid: str, send: Send) -> Number | Problem:
    """The number that sends: the one named, or one of the messaging service's on the channel."""
    if send.service:
        service = vendor_of(state).services.get(send.service)
        if service is None or service.account_sid != account_sid:
            return Problem(21701, "The Messaging Service does not exist", 404)
    if not send.sender:
        fitting = of_service(state, send.service, channel_of(send.to))
        return _chosen(state, send, fitting) or Problem(21712, "The Messaging Service contains no phone numbers.")
    number = find(state, send.sender, account_sid)
    if number is None or send.service not in ("", number.service):
        return _not_owned(send.sender)
    return number


def _not_owned(sender: str) -> Problem:
    if is_whatsapp(sender):
        return Problem(63007, "Twilio could not find a Channel with the specified From address")
    return Problem(21606, f"The 'From' phone number {sender} is not a message-capable number of the account.")


def _chosen(state: State, send: Send, fitting: list[Number]) -> Number | None:
    """A service keeps to the number that a customer knows."""
    if not fitting:
        return None
    known = vendor_of(state).senders.get((send.service, send.to))
    number = next((one for one in fitting if one.address == known), fitting[0])
    vendor_of(state).senders[send.service, send.to] = number.address
    return number
