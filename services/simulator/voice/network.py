"""The stand-in: callers and their calls, one call a caller and line at a time."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.twilio.posting import Posted
from services.simulator.vendors import Line, Said, SaidAnswer, checked
from services.simulator.voice.call import PhoneCall, Words
from services.simulator.voice.course import course
from services.simulator.voice.options import CallOptions

HEARD_WITHIN_S = 60.0


class Number(BaseModel):
    """What Twilio knows of a line: the account's number with its webhooks."""

    model_config = ConfigDict(extra="ignore")

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]


class VoiceNetwork:
    channel = "voice"
    title = "Telephone"

    def __init__(self, state: State) -> None:
        self._state = state
        self._calls: dict[tuple[str, str], PhoneCall] = {}

    def routers(self) -> Sequence[APIRouter]:
        """Calls need nothing of Twilio's API: what is to be done with one is answered to Twilio's own requests."""
        return ()

    def enter(self, line: Line) -> None:
        checked(Number, line.settings, "settings")
        if not line.secrets.get("auth-token"):
            raise ValueError("secrets: expected the account's auth-token")
        if "/webhooks/voice/" not in line.webhook_url:
            raise ValueError("webhook_url: expected <public address>/webhooks/voice/<connection>")

    def forget(self) -> None:
        """Calls in progress end without a word."""
        for call in self._calls.values():
            if call.task:
                call.task.cancel()
        self._calls.clear()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        """Call, speak, press keys, hang up. The first thing that a caller does is to call.

        Nothing at all (neither text nor digits) only calls. ``extra`` is read as ``CallOptions``.
        """
        _only_what_calls_have(said)
        options = CallOptions.of(said.extra)
        n, call = self._state.ledger.last, self._calls.get((line.connection, customer))
        if call is None or not call.live:
            if said.hang_up:
                raise ValueError("hang_up: there is no call")
            call = self._ring(line, customer, options)
            posted = await asyncio.shield(call.began)
        else:
            posted = Posted(None, 0, 0.0, "nothing was said")
        call.human = call.human.changed(options)
        if options.silence_s is not None:
            call.options = call.options.model_copy(update={"silence_s": options.silence_s})
        if said.hang_up:
            posted = await call.hang_up()
        elif said.text or said.digits or options.interrupt is not None or options.break_socket or options.frame:
            posted = await self._speak(call, Words(said, options))
        return SaidAnswer(message_id=call.sid, n=n, **vars(posted))

    def _ring(self, line: Line, customer: str, options: CallOptions) -> PhoneCall:
        call = self._calls[line.connection, customer] = PhoneCall(self._state, line, customer, options)
        call.human = call.human.changed(options)
        call.note(Kind.INBOUND, event="called")
        call.start(course(call))
        return call

    async def _speak(self, call: PhoneCall, words: Words) -> Posted:
        """Until what carries the words was answered. Words that meet nobody listening wait for somebody who does."""
        call.words.put_nowait(words)
        if not call.live:
            words.resolve(Posted(None, 0, 0.0, "the call is over"))
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                return await asyncio.shield(words.done)
        except TimeoutError:
            return Posted(None, 0, HEARD_WITHIN_S * 1000, "nobody listened")


def _only_what_calls_have(said: Said) -> None:
    absent = ("choice", "location", "media", "reaction", "edit", "delete", "reply_to", "message_id")
    for name in absent:
        if getattr(said, name):
            raise ValueError(f"{name}: a caller can only speak, press keys and hang up")
