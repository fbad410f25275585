"""<Connect><ConversationRelay>: the call over a WebSocket, as Twilio holds it."""

import asyncio
import re
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from services.simulator.ledger import Kind
from services.simulator.twilio.message import new_sid
from services.simulator.twilio.posting import Posted, sign
from services.simulator.voice.call import Going, PhoneCall, Words

OPEN_WITHIN_S = 5.0
_KINDS: dict[str, dict[str, type]] = {
    "text": {"token": str},
    "play": {"source": str},
    "sendDigits": {"digits": str},
    "language": {},
    "end": {},
}
"""Frames that Twilio takes, with what each needs."""
_OPTIONAL: dict[str, dict[str, type]] = {
    "text": {"last": bool, "lang": str, "interruptible": bool, "preemptible": bool},
    "play": {"loop": int, "interruptible": bool, "preemptible": bool},
    "sendDigits": {},
    "language": {"ttsLanguage": str, "transcriptionLanguage": str},
    "end": {"handoffData": str},
}


async def connect(call: PhoneCall, verb: Element, url: str) -> Going | None:
    """Until either side closes; then the action is asked."""
    noun = verb.find("ConversationRelay")
    assert noun is not None
    action = verb.get("action")
    session = new_sid("VX")
    call.on_hang_up = (urljoin(url, action), _ended(session, "completed")) if action else None
    greeting = noun.get("welcomeGreeting")
    if greeting:
        call.hear(greeting)
    ended = await _Session(call, noun, session).run()
    call.on_hang_up = None
    return (urljoin(url, action), ended) if action else None


def _ended(session: str, status: str, handoff: str = "") -> dict[str, str]:
    fields = {"SessionId": session, "SessionStatus": status, "SessionDuration": "1"}
    return fields | ({"HandoffData": handoff} if handoff else {})


class _Session:
    def __init__(self, call: PhoneCall, noun: Element, session: str) -> None:
        self._call, self._noun, self._session = call, noun, session
        self._tokens: list[str] = []

    async def run(self) -> dict[str, str]:
        """What Twilio tells of the session's end."""
        url = self._noun.get("url", "")
        headers = {"x-twilio-signature": sign(self._call.token, url, {})}
        try:
            async with open_socket(url, additional_headers=headers, open_timeout=OPEN_WITHIN_S, proxy=None) as socket:
                await self._send(socket, self._setup())
                return await self._converse(socket)
        except (OSError, InvalidHandshake, TimeoutError) as failed:
            self._call.note(Kind.REFUSED, code=64102, reason=f"no socket: {type(failed).__name__}", url=url)
            return _ended(self._session, "failed")
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self._call.note(Kind.REFUSED, code=64105, reason=f"the socket was closed with {code}", url=url)
            return _ended(self._session, "failed")

    def _setup(self) -> dict[str, Any]:
        fields = self._call.fields()
        parameters = {one.get("name"): one.get("value") for one in self._noun.findall("Parameter")}
        return {
            "type": "setup",
            "sessionId": self._session,
            "callSid": fields["CallSid"],
            "parentCallSid": None,
            "accountSid": fields["AccountSid"],
            "from": fields["From"],
            "to": fields["To"],
            "forwardedFrom": None,
            "callType": "PSTN",
            "callerName": fields.get("CallerName"),
            "direction": "inbound",
            "callStatus": "IN-PROGRESS",
            "customParameters": parameters,
        }

    async def _converse(self, socket: ClientConnection) -> dict[str, str]:
        speaking = asyncio.create_task(self._speak(socket))
        try:
            async for message in socket:
                handoff = await self._take(socket, message)
                if handoff is not None:
                    return _ended(self._session, "ended", handoff)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        self._call.note(Kind.REFUSED, code=64105, reason="the socket was closed by the application", url="relay")
        return _ended(self._session, "failed")

    async def _take(self, socket: ClientConnection, message: str | bytes) -> str | None:
        """What the application says; the hand-off data when it ends the session."""
        frame = _frame(message)
        if isinstance(frame, str):
            self._call.note(Kind.REFUSED, code=64107, reason=frame, url="relay")
            await self._send(socket, {"type": "error", "description": f"Invalid message received: {frame}"})
        elif frame["type"] == "text":
            self._tokens.append(frame["token"])
            if frame.get("last"):
                text, self._tokens = "".join(self._tokens), []
                self._call.hear(text, choices=1)
        elif frame["type"] == "end":
            return frame.get("handoffData", "")
        return None

    async def _speak(self, socket: ClientConnection) -> None:
        """The caller's words, one after the other, as long as the session lives."""
        while True:
            words = await self._call.words.get()
            self._call.note_words(words)
            for frame in self._frames(words):
                await self._send(socket, frame)
            if words.options.break_socket:
                socket.transport.abort()
            words.resolve(Posted(101, 1, 0.0))

    def _frames(self, words: Words) -> list[dict[str, Any]]:
        said, options, frames = words.said, words.options, []
        if options.frame is not None:
            frames.append(orjson.loads(options.frame))
        if options.interrupt is not None:
            heard = {"utteranceUntilInterrupt": options.interrupt, "durationUntilInterruptMs": "460"}
            frames.append({"type": "interrupt", **heard})
        if said.text:
            lang = options.lang or self._noun.get("language", "en-US")
            if options.partial:
                part = said.text[: len(said.text) // 2]
                frames.append({"type": "prompt", "voicePrompt": part, "lang": lang, "last": False})
            frames.append({"type": "prompt", "voicePrompt": said.text, "lang": lang, "last": True})
        frames += [{"type": "dtmf", "digit": digit} for digit in said.digits or ""]
        return frames

    async def _send(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        await socket.send(orjson.dumps(frame).decode())


def _frame(message: str | bytes) -> dict[str, Any] | str:
    """The frame, or what is wrong with it."""
    try:
        frame = orjson.loads(message) if isinstance(message, str) else None
    except orjson.JSONDecodeError:
        frame = None
    if not isinstance(frame, dict) or frame.get("type") not in _KINDS:
        return "expected a text frame of a known type"
    needed, optional = _KINDS[frame["type"]], _OPTIONAL[frame["type"]]
    for name, kind in needed.items():
        if not isinstance(frame.get(name), kind):
            return f"{name}: expected {kind.__name__}"
    for name, value in frame.items():
        kind = {**needed, **optional, "type": str}.get(name)
        if kind is None or not isinstance(value, kind):
            return f"{name}: not expected so"
    if frame["type"] == "sendDigits" and not re.fullmatch(r"[0-9w#*]+", frame["digits"]):
        return "digits: expected 0-9, w, # and *"
    return frame
