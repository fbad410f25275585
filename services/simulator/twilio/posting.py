"""How Twilio posts webhooks: signed, once more when no connection could be made, and never otherwise."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from uuid import uuid4
from xml.etree import ElementTree

import httpx

from services.simulator.posted import Posted

CONNECT_TRIES = 2
_TIMEOUT = httpx.Timeout(15, connect=5)
NOT_XML, NOT_TWIML = "12300", "12100"
"""Twilio's codes for an answer of a wrong content type, and for one that it cannot read."""


def sign(token: str, url: str, fields: Mapping[str, str]) -> str:
    """``X-Twilio-Signature``: HMAC-SHA1 over the address and the sorted fields, Base64."""
    signed = url.partition("#")[0] + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


async def post(
    http: httpx.AsyncClient, token: str, url: str, fields: Mapping[str, str], *, wants_twiml: bool = False
) -> Posted:
    """Post one webhook. A second try keeps the idempotency token; a redirect is an answer, and is not followed."""
    headers = {
        "X-Twilio-Signature": sign(token, url, fields),
        "I-Twilio-Idempotency-Token": str(uuid4()),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
    }
    began = time.perf_counter()
    tries, status, error = 0, None, None
    while tries < CONNECT_TRIES:
        tries += 1
        try:
            answer = await http.post(url, data=dict(fields), headers=headers, timeout=_TIMEOUT)
        except (httpx.ConnectError, httpx.ConnectTimeout) as unreached:
            error = type(unreached).__name__
        except httpx.HTTPError as broken:
            error = type(broken).__name__
            break
        else:
            status, error = answer.status_code, _misread(answer) if wants_twiml else None
            break
    return Posted(status, tries, (time.perf_counter() - began) * 1000, error)


def _misread(answer: httpx.Response) -> str | None:
    """What is wrong with a good answer that has a body: it must be TwiML."""
    if not answer.is_success or not answer.content:
        return None
    if answer.headers.get("content-type", "").partition(";")[0].strip() not in ("text/xml", "application/xml"):
        return NOT_XML
    try:
        root = ElementTree.fromstring(answer.content)  # noqa: S314 - of a webhook of one's own
    except ElementTree.ParseError:
        return NOT_TWIML
    return None if root.tag == "Response" else NOT_TWIML
