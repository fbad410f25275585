"""Who may use the API: HTTP Basic with an account's SID and auth token."""

import base64
import binascii
import hmac

from fastapi import Request

from services.simulator.state import State
from services.simulator.twilio.message import Message
from services.simulator.twilio.problems import UNAUTHORIZED, Problem, not_found


def account_of(state: State, request: Request) -> str | None:
    """The account whose credentials the request has."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    sid = given.partition(b":")[0].decode("utf-8", "replace")
    expected = f"{sid}:{state.tokens.get(sid, '')}".encode()
    return sid if sid in state.tokens and hmac.compare_digest(given, expected) else None


def own_message(state: State, account_sid: str, sid: str, request: Request) -> Message | Problem:
    """The account's message, for whoever may see it."""
    if not may(state, account_sid, request):
        return UNAUTHORIZED
    message = state.messages.get(sid)
    if message is None or message.account_sid != account_sid:
        return not_found(request.url.path)
    return message


def may(state: State, account_sid: str, request: Request) -> bool:
    return account_of(state, request) == account_sid
