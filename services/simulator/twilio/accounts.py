"""Who may use the API: HTTP Basic with an account's SID and auth token."""

import base64
import binascii
import hmac

from fastapi import Request

from services.simulator.state import State


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


def may(state: State, account_sid: str, request: Request) -> bool:
    return account_of(state, request) == account_sid
