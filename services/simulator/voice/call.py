"""One call: who calls whom, what Twilio asks about it, and what the caller hears."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.twilio.message import API_VERSION, new_sid
from services.simulator.twilio.posting import Posted
from services.simulator.vendors import Line, Said, facts
from services.simulator.voice.asking import Answered, ask
from services.simulator.voice.grammar import BadTwiml, read
from services.simulator.voice.offered import offered
from services.simulator.voice.options import CallOptions, Human

APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
NOT_FETCHED, NO_XML = 11200, 12300

Fields = dict[str, str]
Going = tuple[str, Fields]
"""Where the call goes on: an address, and what is posted there beside the call itself."""


@dataclass
class Words:
    """Something the caller does; ``done`` says how the request that carries it went."""

    said: Said
    options: CallOptions
    done: asyncio.Future[Posted] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self, posted: Posted) -> None:
        if not self.done.done():
            self.done.set_result(posted)


class CallEnded(Exception):
    """Twilio has hung up."""


@dataclass
class PhoneCall:
    state: State
    line: Line
    customer: str
    options: CallOptions
    sid: str = field(default_factory=lambda: new_sid("CA"))
    status: str = "ringing"
    human: Human = field(default_factory=Human)
    words: asyncio.Queue[Words] = field(default_factory=asyncio.Queue)
    began: asyncio.Future[Posted] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """How the first request went."""
    on_hang_up: Going | None = None
    """What Twilio tells when the caller hangs up here, beside the call's status."""
    task: asyncio.Task[None] | None = None
    carried: Words | None = None
    """Whose words the next request carries."""

    @property
    def live(self) -> bool:
        return self.status not in ("completed", "failed")

    def start(self, course: Coroutine[Any, Any, None]) -> None:
        self.task = asyncio.create_task(course)

    # -- the end of the call -----------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Tell the call's end, once."""
        if not self.live:
            return
        self.status = "completed"
        self.note(Kind.STATUS, status=self.status)
        self._nobody_listens()
        fields = self.fields() | {"CallDuration": "1", "SequenceNumber": "0", "CallbackSource": "call-progress-events"}
        answered = await ask(self.state.http, self.token, f"{self.line.webhook_url}?event=status", fields)
        self.note(Kind.CALLBACK, told=self.status, **vars(answered.posted))
        self.ended = answered.posted

    ended: Posted | None = None
    """How the end was told."""

    async def hang_up(self) -> Posted:
        """By the caller."""
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.note(Kind.INBOUND, event="hung up")
        if self.on_hang_up:
            url, fields = self.on_hang_up
            status = self.fields() | {"CallStatus": "completed"}
            answered = await ask(self.state.http, self.token, url, status | fields)
            self.note(Kind.WEBHOOK, url=url, **vars(answered.posted))
        await self.finish()
        return self.ended or Posted(None, 0, 0.0, "not told")

    def _nobody_listens(self) -> None:
        gone = Posted(None, 0, 0.0, "the call is over")
        if self.carried:
            self.carried.resolve(gone)
        while not self.words.empty():
            self.words.get_nowait().resolve(gone)
        if not self.began.done():
            self.began.set_result(gone)

    # -- requests ----------------------------------------------------------------------------------------------

    def fields(self) -> Fields:
        caller = self.options.caller or (self.customer if self.customer.startswith("+") else "anonymous")
        named = {"CallerName": self.options.caller_name} if self.options.caller_name else {}
        number = str(self.line.settings["number"])
        return {
            "CallSid": self.sid,
            "AccountSid": str(self.line.settings["account_sid"]),
            "From": caller,
            "Caller": caller,
            "To": number,
            "Called": number,
            "CallStatus": self.status,
            "ApiVersion": API_VERSION,
            "Direction": "inbound",
        } | named

    @property
    def token(self) -> str:
        return self.line.secrets["auth-token"]

    @property
    def site(self) -> str:
        """Address of the connection's own routes: the webhook's without ``/webhooks``."""
        return self.line.webhook_url.replace("/webhooks/voice/", "/voice/")

    async def fetch(self, url: str, fields: Mapping[str, str], child: Mapping[str, str] | None = None) -> list[Element]:
        """The TwiML at an address. If that is not to be had, what the number's fallback address says instead.

        Raises CallEnded after the caller has heard Twilio's own words for it.
        """
        try:
            return await self._document(url, self.fields() | dict(fields) | dict(child or {}))
        except BadTwiml as failed:
            self.note(Kind.REFUSED, code=failed.code, reason=str(failed), url=url)
            error = {"ErrorCode": str(failed.code), "ErrorUrl": url}
        try:
            return await self._document(f"{self.site}/fallback", self.fields() | error)
        except BadTwiml as failed:
            self.note(Kind.REFUSED, code=failed.code, reason=str(failed), url="fallback")
            self.hear(APPLICATION_ERROR, by="twilio")
            raise CallEnded from None

    async def _document(self, url: str, fields: Mapping[str, str]) -> list[Element]:
        answered = await self._ask(url, fields)
        if not answered.is_good:
            raise BadTwiml(NOT_FETCHED, f"answered {answered.posted.status or answered.posted.error}")
        if answered.media_type not in ("text/xml", "application/xml"):
            raise BadTwiml(NO_XML, f"the content type is {answered.media_type!r}")
        self.status = "in-progress"
        return read(answered.body)

    async def _ask(self, url: str, fields: Mapping[str, str]) -> Answered:
        """A fault that was asked for hits the request, or its answer where the request arrives all the same."""
        fault = self.state.next_fault("voice")
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
        answered = Answered(Posted(None, 1, 0.0, "a fault that was asked for"))
        if fault is None or fault.takes:
            answered = await ask(self.state.http, self.token, url, fields)
        if fault is not None and (fault.drop or fault.status is not None):
            answered = Answered(Posted(fault.status, 1, answered.posted.took_ms, "a fault that was asked for"))
        self.note(Kind.WEBHOOK, url=url, **vars(answered.posted))
        carried, self.carried = self.carried, None
        if carried:
            carried.resolve(answered.posted)
        if not self.began.done():
            self.began.set_result(answered.posted)
        return answered

    # -- what the caller hears ---------------------------------------------------------------------------------

    async def play(self, verb: Element, choices: int = 0) -> None:
        if verb.tag == "Say":
            self.hear((verb.text or "").strip(), choices=choices)
        elif verb.tag == "Play":
            self.hear("♪", by="music")
        else:
            await asyncio.sleep(int(verb.get("length", "1")))

    def hear(self, text: str, *, by: str = "", choices: int = 0) -> None:
        found = offered(text) if choices == 1 else ()
        self.state.ledger.add(
            Kind.OUTBOUND, self.customer, **facts(self.line, self.sid, text=text, by=by, choices=found)
        )

    def note_words(self, words: Words) -> None:
        self.note(Kind.INBOUND, text=words.said.text or words.said.digits or "")

    def note(self, kind: Kind, text: str = "", **more: object) -> None:
        self.state.ledger.add(kind, self.customer, **facts(self.line, self.sid, text=text, **more))  # pyright: ignore[reportArgumentType]
