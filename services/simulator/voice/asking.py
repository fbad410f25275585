"""How Twilio asks what to do with a call: a signed form, 15 seconds in all, once more where nobody can be reached."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import httpx

from services.simulator.twilio.posting import CONNECT_TRIES, Posted, sign

ANSWER_WITHIN_S = 15.0
CONNECT_WITHIN_S = 5.0


@dataclass(frozen=True)
class Answered:
    """How it went, and what was answered."""

    posted: Posted
    body: str = ""
    media_type: str = ""

    @property
    def is_good(self) -> bool:
        return self.posted.status is not None and 200 <= self.posted.status < 300


async def ask(http: httpx.AsyncClient, token: str, url: str, fields: Mapping[str, str]) -> Answered:
    """A redirect is an answer, and is not followed."""
    headers = {
        "X-Twilio-Signature": sign(token, url, fields),
        "I-Twilio-Idempotency-Token": str(uuid4()),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
    }
    began, tries, error = time.perf_counter(), 0, ""
    while tries < CONNECT_TRIES:
        tries += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                timeout = httpx.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S)
                answer = await http.post(url, data=dict(fields), headers=headers, timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as unreached:
            error = type(unreached).__name__
        except (httpx.HTTPError, TimeoutError) as broken:
            error = type(broken).__name__
            break
        else:
            posted = Posted(answer.status_code, tries, _ms(began))
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            return Answered(posted, answer.text, kind)
    return Answered(Posted(None, tries, _ms(began), error))


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
