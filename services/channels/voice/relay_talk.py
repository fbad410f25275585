"""The dialogue of a call over a socket, apart from the socket: frames in, messages looked for, frames out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from m2n.message import TextContent
from services.channels.voice import relay_frames
from services.channels.voice.calls import Call, CallKey, CallLine, Calls
from services.channels.voice.handoff import Handoff, handoff_data
from services.channels.voice.incoming import Line
from services.channels.voice.interruption import heard
from services.channels.voice.patience import OnDelay, OnSilence, on_delay, on_silence, waits_for_human
from services.channels.voice.relay_frames import Frame, Interrupt, Key, Prompt, Setup
from services.channels.voice.speech import Speech
from services.channels.voice.steps import Step
from services.channels.voice.telling import Telling

Send = Callable[[str], Awaitable[None]]
CHARACTERS_A_S = 15.0
"""How fast Twilio speaks, about: an ``end`` cuts off what it is saying."""
SPEAK_MOST_S = 12.0
KEYS_WITHIN_S = 2.0
"""Between two keys of one number."""
BEFORE_TRANSFER_S = 0.5
"""The lane's sentence before a transfer comes on another way than the transfer."""
TOUCH_S = 60.0


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class RelayTalk:
    line: Line
    setup: Setup
    calls: Calls
    telling: Telling
    send: Send
    over: bool = False
    """The caller has hung up, as another request said."""
    language: str = ""
    _words: int = 0
    _looks: int = 0
    _said: list[tuple[CallLine, Speech]] = field(default_factory=list)
    """Since the caller's last words."""
    _choices: int = 0
    """So many keys are offered."""
    _last: CallLine | None = None
    _keys: str = ""
    _keys_at: float = 0
    _owed_since: float | None = None
    """When the caller spoke, if nothing was said since."""
    _delays: int = 0
    _silences: int = 0
    _speaking_until: float = 0
    _heard_at: float = field(default_factory=_now)
    """When the caller spoke last, or has heard an answer."""
    _leaving_since: float | None = None
    _ended: bool = False
    _touched_at: float = 0

    def __post_init__(self) -> None:
        self.language = self.language or self.line.settings.language

    @property
    def key(self) -> CallKey:
        return self.line.key(self.setup.call)

    def due_in(self) -> float:
        """Seconds to the next thing that time alone brings."""
        dues = [self._keys_at + KEYS_WITHIN_S] if self._keys else []
        if self._leaves_at is not None and not self._ended:
            dues.append(self._leaves_at)
        return max(min(dues, default=float("inf")) - _now(), 0.01)

    # -- frames ------------------------------------------------------------------------------------------------

    async def take(self, frame: Frame) -> None:
        """Raises pymongo's errors, when the caller's words are safe."""
        match frame:
            case Prompt() if frame.last and frame.words.strip():
                changed = self._understood(frame.lang)
                await self._keep(frame.words.strip())
                if changed:
                    await self.calls.open(self.key, language=self.language)
            case Key():
                await self._key(frame.digit)
            case Interrupt():
                await self._interrupted(frame.heard)

    def _understood(self, code: str) -> bool:
        """Whether the caller speaks another language now."""
        before = self.language
        self.language = (self.line.script.language_of(code) if code else None) or before
        return self.language != before

    async def _keep(self, words: str) -> None:
        """The caller's words go on; what was said before them is no more to be interrupted."""
        self._words += 1
        self._said, self._choices, self._heard_at, self._silences = [], 0, _now(), 0
        found = {"CallSid": self.setup.call, "From": self.setup.caller, "CallerName": self.setup.caller_name or ""}
        key = f"{self.setup.session}.{self._words}"
        if await self.telling.keep_words(self.line, found, TextContent(text=words), key, self.language):
            self._owed_since, self._delays = _now(), 0
        else:
            await self._say_own("say_again")

    async def _key(self, digit: str) -> None:
        """One key chooses where choices were offered; elsewhere keys make a number, ended by ``#`` or a pause."""
        self._heard_at, self._silences = _now(), 0
        if digit == "#" and self._keys:
            return await self._keys_done()
        self._keys, self._keys_at = self._keys + digit, _now()
        if 0 < self._choices < 10:
            await self._keys_done()

    async def _keys_done(self) -> None:
        keys, self._keys = self._keys, ""
        await self._keep(keys)

    async def _interrupted(self, until: str) -> None:
        """What was not heard is remembered as not said, and what belongs to the same answer does not follow."""
        self._speaking_until = self._heard_at = _now()
        self._silences = 0
        if not self._said:
            return
        parts = heard([speech.text for _, speech in self._said], until)
        cut = {line.key: part for (line, _), part in zip(self._said, parts, strict=True) if part is not None}
        newest = max(line.at for line, _ in self._said)
        self._said = []
        await self.calls.cut(self.key, cut, newest)

    # -- looks -------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Say what waits, leave for a transfer that waits, and mind the time. Raises pymongo's errors."""
        if self._keys and _now() >= self._keys_at + KEYS_WITHIN_S:
            await self._keys_done()
        call = await self._call()
        if call.over:
            self.over = True
            return
        if self._ended:
            return
        if call.waiting():
            await self._say_waiting()
        if call.transfer and call.transfer.waits:
            await self._leave_in_time()
        elif self._leaving_since is None:
            await self._mind_time()

    async def _call(self) -> Call:
        """Enters the call when it is new, and now and then shows that it lives."""
        if _now() - self._touched_at > TOUCH_S or not self._touched_at:
            self._touched_at = _now()
            return await self._back(await self.calls.open(self.key))
        return await self.calls.get(self.key) or await self.calls.open(self.key)

    async def _back(self, call: Call) -> Call:
        """A caller on the socket is not with a human: what ended unheard of is ended now."""
        transfer = call.transfer
        if transfer and transfer.goes_on:
            transfer = await self.calls.end_transfer(self.key, transfer.joined_at is not None)
        if transfer and transfer.ended_at:
            await self.telling.ended(self.key, transfer)
        return call

    async def _say_waiting(self) -> None:
        self._looks += 1
        lines = await self.calls.take(self.key, f"{self.setup.session}.{self._looks}")
        for line in lines:
            language = self.line.script.known(line.language) or self.language
            (speech,) = self.line.script.speeches([line.text], language)
            self._said.append((line, speech))
            self._choices = max(self._choices, speech.choices)
            self._last, self._owed_since = line, None
            await self._speak(speech.text, language)
        if lines:
            self._heard_at, self._silences = self._speaking_until, 0
        self.telling.said(self.line, lines)

    async def _say_own(self, sentence: str) -> None:
        spoken = self.line.script.own(sentence, self.language)
        await self._speak(spoken.text, spoken.language)

    async def _speak(self, text: str, language: str) -> None:
        for frame in relay_frames.spoken(text, self.line.script.tongue(language).code):
            await self.send(frame)
        self._speaking_until = max(self._speaking_until, _now()) + len(text) / CHARACTERS_A_S

    async def _leave_in_time(self) -> None:
        """Once the sentence before the transfer is out."""
        if self._leaving_since is None:
            self._leaving_since = _now()
        if self._leaves_at is not None and _now() >= self._leaves_at:
            await self._end(Handoff.TRANSFER)

    @property
    def _leaves_at(self) -> float | None:
        since = self._leaving_since
        if since is None:
            return None
        return max(since + BEFORE_TRANSFER_S, min(self._speaking_until, since + SPEAK_MOST_S))

    async def _end(self, reason: Handoff) -> None:
        self._ended = True
        await self.send(relay_frames.end(handoff_data(reason)))

    # -- time --------------------------------------------------------------------------------------------------

    async def _mind_time(self) -> None:
        settings = self.line.settings
        human = waits_for_human(self._last, self.line.resolved.tenant)
        if self._owed_since is not None and not human:
            return await self._mind_delay(_now() - self._owed_since)
        silences = int((_now() - self._heard_at) // settings.silence_s)
        if silences > self._silences:
            self._silences = silences
            await self._after_silence(on_silence(Step(silences=silences), settings, human))

    async def _after_silence(self, what: OnSilence) -> None:
        match what:
            case OnSilence.HANG_UP:
                await self._end(Handoff.GOODBYE)
            case OnSilence.TRANSFER:
                await self._end(Handoff.NO_ANSWER)
            case OnSilence.NOT_HEARD | OnSilence.STILL_THERE:
                await self._say_own("still_there")

    async def _mind_delay(self, waited_s: float) -> None:
        delays = int(waited_s // self.line.settings.answer_within_s)
        if delays <= self._delays:
            return
        self._delays = delays
        match on_delay(Step(look=delays), self.line.settings):
            case OnDelay.TRANSFER:
                await self._end(Handoff.NO_ANSWER)
            case OnDelay.APOLOGISE:
                self._owed_since = None
                await self._say_own("no_answer")
            case OnDelay.ONE_MOMENT:
                await self._say_own("one_moment")
