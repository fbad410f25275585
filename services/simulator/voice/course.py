"""The course of a call: carries out the TwiML it is given, verb by verb, and lets the caller speak."""

import asyncio
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from services.simulator.twilio.posting import Posted
from services.simulator.voice.call import CallEnded, Going, PhoneCall, Words
from services.simulator.voice.relay import connect
from services.simulator.voice.transfers import dial, enqueue

MOST_DOCUMENTS = 500
"""A call that asks for more is in a circle."""
_LEADING = {"Dial": dial, "Enqueue": enqueue, "Connect": connect}


async def course(call: PhoneCall) -> None:
    """From the first request to the end."""
    try:
        going: Going | None = (call.line.webhook_url, {})
        for _ in range(MOST_DOCUMENTS):
            if going is None:
                break
            going = await _carry_out(call, await call.fetch(*going), going[0])
    except CallEnded:
        pass
    await call.finish()


async def _carry_out(call: PhoneCall, verbs: list[Element], url: str) -> Going | None:
    """Where the call goes on; None when it ends here."""
    for verb in verbs:
        if verb.tag in ("Hangup", "Reject", "Leave"):
            return None
        if verb.tag == "Redirect":
            return urljoin(url, (verb.text or "").strip()), {}
        if verb.tag in ("Say", "Play", "Pause"):
            await call.play(verb)
        elif going := await (_LEADING.get(verb.tag) or _gather)(call, verb, url):
            return going
    return None


async def _gather(call: PhoneCall, verb: Element, url: str) -> Going | None:
    for nested in verb:
        await call.play(nested, int(verb.get("numDigits", "0")))
    words = await _listen(call, verb)
    if words is None:
        empty = verb.get("actionOnEmptyResult") == "true"
        return (urljoin(url, verb.get("action", "")), {}) if empty else None
    call.carried = words
    call.note_words(words)
    if words.said.digits:
        pressed = words.said.digits.split(verb.get("finishOnKey", "#"))[0][: int(verb.get("numDigits", "100"))]
        return urljoin(url, verb.get("action", "")), {"Digits": pressed}
    confidence = str(words.options.confidence)
    return urljoin(url, verb.get("action", "")), {"SpeechResult": words.said.text or "", "Confidence": confidence}


async def _listen(call: PhoneCall, verb: Element) -> Words | None:
    """What the caller says within the time; what was said before counts as said now."""
    limit_s = call.options.silence_s if call.options.silence_s is not None else float(verb.get("timeout", "5"))
    wanted = verb.get("input", "dtmf")
    try:
        async with asyncio.timeout(limit_s):
            while True:
                words = await call.words.get()
                if ("dtmf" if words.said.digits else "speech") in wanted:
                    return words
                words.resolve(Posted(None, 0, 0.0, f"the call listens for {wanted} only"))
    except TimeoutError:
        return None
