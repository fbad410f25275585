"""What is answered to Twilio at each point of a call. Pure: settings, step and lines in, TwiML out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import orjson

from services.channels.voice import twiml
from services.channels.voice.sentences import Spoken, sentence
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.speech import Speech, speech
from services.channels.voice.steps import Step
from services.channels.voice.twiml import Listening, RelayLanguage, Tongue
from services.handover.phone.settings import DialTarget
from services.handover.phone.transfer import Transfer

HOLD_S = 10
MOST_TASK = 1000
"""Characters of a task's attributes."""
MOST_RESUMED = 3
"""So many failures in a row, and the call is ended in politeness."""
USUAL_CODES = {
    "ar": "ar-AE", "cs": "cs-CZ", "da": "da-DK", "de": "de-DE", "en": "en-US", "es": "es-ES", "fi": "fi-FI",
    "fr": "fr-FR", "it": "it-IT", "ja": "ja-JP", "ko": "ko-KR", "nb": "nb-NO", "nl": "nl-NL", "pl": "pl-PL",
    "pt": "pt-PT", "sv": "sv-SE", "tr": "tr-TR", "zh": "zh-CN",
}  # fmt: skip


@dataclass(frozen=True)
class Script:
    """The dialogue of one connection. ``site`` is the installation's public address, without a slash at the end."""

    settings: VoiceSettings
    site: str
    connection: str
    tenant: str = ""
    """The tenant's name, for the humans that take calls."""

    @property
    def base(self) -> str:
        return f"{self.site}/voice/{self.connection}"

    @property
    def socket(self) -> str:
        return "ws" + self.base.removeprefix("http") + "/relay"

    # -- answers -----------------------------------------------------------------------------------------------

    def begin(self) -> str:
        """A call came in: greet, then listen."""
        greeting = self._sentence("greeting", self.settings.language)
        if self.settings.mode == "relay":
            return self.relay(Step(), greeting.text)
        return self.listen(Step(), (), self.settings.language, greeting)

    def relay(self, step: Step, greeting: str | None = None) -> str:
        """Words go over a socket from here on; ``step`` is where the call goes on afterwards."""
        first, *others = dict.fromkeys((self.settings.language, *self.settings.languages))
        languages = [self._relay_language(name) for name in (first, *others)]
        connect = twiml.relay(
            step.address(self.base, "relay-end"),
            self.socket,
            languages[0],
            languages if others else (),
            welcomeGreeting=greeting,
            hints=",".join(self.settings.hints) or None,
        )
        return twiml.document(connect)

    def listen(self, step: Step, texts: Iterable[str], language: str, first: Spoken | None = None) -> str:
        """Say the messages, then hear what the caller says; ``step`` is where that leads to."""
        speeches = self.speeches(texts, language)
        prompt = [*(self._say(first) if first else ()), *self._say_all(speeches, language)]
        return twiml.document(twiml.gather(self._listening(step, language, speeches), prompt))

    def say_and_look(self, step: Step, texts: Iterable[str], language: str, first: Spoken | None = None) -> str:
        """Say the messages, then look for more without listening in between."""
        prompt = [*(self._say(first) if first else ()), *self._say_all(self.speeches(texts, language), language)]
        return twiml.document(*(prompt or [twiml.pause(1)]), twiml.redirect(self._address(step, "wait", language)))

    def hang_up(self, language: str, name: str = "goodbye") -> str:
        return twiml.document(*self._say(self._sentence(name, language)), twiml.hangup())

    def transfer(self, step: Step, call: str, transfer: Transfer, texts: Iterable[str], language: str) -> str:
        """Say the messages, then connect the caller with a human; ``step`` is where the call goes on afterwards."""
        prompt = self._say_all(self.speeches(texts, language), language)
        action = self._address(step, "transfer-end", language)
        target = transfer.target
        if isinstance(target, DialTarget):
            whisper = self._address(step, "whisper", language, call=call)
            dialled = twiml.dial(target.number, target.ring_s, target.caller_id, action=action, whisper=whisper)
            return twiml.document(*prompt, dialled)
        hold, workflow = f"{self.base}/hold", target.workflow_sid
        task = _task(transfer, call) if workflow else ""
        return twiml.document(*prompt, twiml.enqueue(action, hold, queue=target.queue, workflow=workflow, task=task))

    def hold(self, language: str, transfer: Transfer | None) -> str:
        """For one who waits in a queue; Twilio asks again when it is over."""
        music = None if transfer is None or isinstance(transfer.target, DialTarget) else transfer.target.hold_music
        if music:
            return twiml.document(twiml.play(music))
        return twiml.document(*self._say(self._sentence("hold", language)), twiml.pause(HOLD_S))

    def whisper(self, transfer: Transfer, language: str) -> str:
        """What the human hears before the caller."""
        said = " ".join(line.text for line in transfer.context.lines if line.author == "customer")[-300:]
        last = sentence("last_words", {}, language, text=said).text if said else ""
        reason = sentence(transfer.context.reason.value, {}, language).text if transfer.context.reason else ""
        own = self.settings.sentences.whisper
        spoken = sentence("whisper", own, language, tenant=self.tenant, reason=reason, words=last)
        words = " ".join(spoken.text.split())
        return twiml.document(*self._say(Spoken(words, spoken.language)))

    def apology(self, step: Step, language: str, lost: str = "") -> str:
        """Something failed: say so and look again; after some failures in a row, end the call.

        ``lost`` is the look whose answer Twilio never got.
        """
        return self._sorry(step, self._address(step, "wait", language, **({"lost": lost} if lost else {})), language)

    def begin_again(self, step: Step, language: str) -> str:
        """The same where the call did not even begin."""
        return self._sorry(step, f"{self.site}/webhooks/voice/{self.connection}?resumed={step.resumed}", language)

    def _sorry(self, step: Step, back: str, language: str) -> str:
        if step.resumed > MOST_RESUMED:
            return self.end_in_failure(language)
        spoken = self._sentence("fallback", language)
        return twiml.document(*self._say(spoken), twiml.pause(1), twiml.redirect(back))

    def end_in_failure(self, language: str) -> str:
        """To a human, where one can be called without anything of ours; else a goodbye."""
        target = self.settings.transfer
        if not isinstance(target, DialTarget):
            return self.hang_up(language, "sorry_bye")
        dialled = twiml.dial(target.number, target.ring_s, target.caller_id)
        return twiml.document(dialled, *self._say(self._sentence("sorry_bye", language)), twiml.hangup())

    # -- words -------------------------------------------------------------------------------------------------

    def own(self, name: str, language: str) -> Spoken:
        """One of the line's own sentences."""
        return self._sentence(name, language)

    def speeches(self, texts: Iterable[str], language: str) -> tuple[Speech, ...]:
        """The messages as they are said; one of which nothing can be said is told of."""
        return tuple(self._speech(text, language) for text in texts)

    def _speech(self, text: str, language: str) -> Speech:
        def press(title: str, number: str) -> str:
            own = self.settings.sentences.press
            spoken = sentence("press", own, language, title=title, number=number)
            known = spoken.language == language
            return spoken.text if known else f"{number}: {title}."

        found = speech(text, press)
        return found if found.text else Speech(self._sentence("not_on_phone", language).text)

    def _sentence(self, name: str, language: str) -> Spoken:
        settings = self.settings
        own = {"greeting": settings.greeting, "fallback": settings.fallback}.get(name)
        if own is None:
            own = getattr(settings.sentences, name, {})
        return sentence(name, own, language)

    def _say(self, spoken: Spoken) -> tuple[Element, ...]:
        return twiml.say(spoken.text, self.tongue(spoken.language))

    def _say_all(self, speeches: Iterable[Speech], language: str) -> tuple[Element, ...]:
        return tuple(verb for one in speeches for verb in twiml.say(one.text, self.tongue(language)))

    def _address(self, step: Step, route: str, language: str, **more: str) -> str:
        named = {} if language == self.settings.language else {"lang": language}
        return step.address(self.base, route, **named, **more)

    # -- languages ---------------------------------------------------------------------------------------------

    def tongue(self, language: str) -> Tongue:
        voice = self.settings.voice_of(language)
        return Tongue(voice.code or usual_code(language), voice.voice)

    def known(self, language: str | None) -> str | None:
        """The language as the connection has it; None for one that it does not speak."""
        if not language:
            return None
        own = dict.fromkeys((self.settings.language, *self.settings.languages))
        short = language.partition("-")[0]
        return language if language in own else next((name for name in own if name.partition("-")[0] == short), None)

    def language_of(self, code: str) -> str | None:
        """The language that is spoken by Twilio's name of it; None for one that the connection does not know."""
        known = (self.settings.language, *self.settings.languages)
        exact = (name for name in known if self.tongue(name).code.lower() == code.lower())
        near = (name for name in known if name.partition("-")[0] == code.lower().partition("-")[0])
        return next(exact, None) or next(near, None)

    def _listening(self, step: Step, language: str, speeches: Sequence[Speech]) -> Listening:
        choices = max((one.choices for one in speeches), default=0)
        return Listening(
            action=self._address(step, "turn", language),
            tongue=self.tongue(language),
            silence_s=self.settings.silence_s,
            keys=1 if 0 < choices < 10 else None,
            hints=self.settings.hints,
            speech_model=self.settings.voice_of(language).speech_model,
        )

    def _relay_language(self, name: str) -> RelayLanguage:
        voice = self.settings.voice_of(name)
        return RelayLanguage(
            code=voice.code or usual_code(name),
            voice=voice.voice,
            tts_provider=voice.tts_provider,
            transcription_provider=voice.transcription_provider,
            speech_model=voice.speech_model,
        )


def usual_code(language: str) -> str:
    """``en`` as Twilio writes it: with a country."""
    return USUAL_CODES.get(language, language)


def generic_apology(back: str | None) -> str:
    """For a call of which nothing can be known now, not even its language: in English. None: it ends here."""
    tongue = Tongue(USUAL_CODES["en"])
    if back is None:
        bye = sentence("sorry_bye", {}, "en").text
        return twiml.document(*twiml.say(bye, tongue), twiml.hangup())
    words = twiml.say(sentence("fallback", {}, "en").text, tongue)
    return twiml.document(*words, twiml.pause(2), twiml.redirect(back))


def _task(transfer: Transfer, call: str) -> str:
    """What a TaskRouter task tells the human, as JSON; the oldest lines go first when it gets too long."""
    context, session = transfer.context, transfer.session
    lines = [f"{line.author.value}: {line.text}" for line in context.lines]
    while True:
        attributes = {
            "type": "voice",
            "call": call,
            "session": session.session_id if session else None,
            "reason": context.reason.value if context.reason else None,
            "language": context.language or None,
            "intent": context.intent,
            "lines": lines,
        }
        task = orjson.dumps({name: value for name, value in attributes.items() if value}).decode()
        if len(task) <= MOST_TASK or not lines:
            return task
        lines = lines[1:]
