"""TwiML, what Twilio is told to do with a call, made of its verbs (Twilio, "TwiML for Programmable Voice").

Texts are escaped by the XML library, and characters that no XML can hold are left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from m2n.splitting import split_text

MAX_SAY = 4000
"""Characters of one <Say>; Twilio takes 4096."""
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Tongue:
    """A language with its voice, in Twilio's names."""

    code: str
    voice: str | None = None


@dataclass(frozen=True)
class Listening:
    """How the caller is listened to, and where what they say goes."""

    action: str
    tongue: Tongue
    silence_s: int
    keys: int | None = None
    """After so many keys nothing more is waited for."""
    hints: Sequence[str] = ()
    speech_model: str | None = None


@dataclass(frozen=True)
class RelayLanguage:
    """A language of ConversationRelay; None: as Twilio has it."""

    code: str
    voice: str | None = None
    tts_provider: str | None = None
    transcription_provider: str | None = None
    speech_model: str | None = None


def document(*verbs: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(_element("Response", {}, *verbs), encoding="unicode")


def say(text: str, tongue: Tongue) -> tuple[Element, ...]:
    """What is long takes several <Say>; nothing takes none."""
    attributes = {"voice": tongue.voice, "language": tongue.code}
    return tuple(_element("Say", attributes, text=part) for part in split_text(without_controls(text), MAX_SAY))


def gather(listening: Listening, prompt: Iterable[Element]) -> Element:
    """Listen for speech and keys; silence is told, too. The caller may break in on the prompt."""
    attributes = {
        "input": "dtmf speech",
        "action": listening.action,
        "method": "POST",
        "timeout": str(listening.silence_s),
        "speechTimeout": "auto",
        "language": listening.tongue.code,
        "actionOnEmptyResult": "true",
        "numDigits": str(listening.keys) if listening.keys else None,
        "hints": ",".join(hint.replace(",", " ") for hint in listening.hints) or None,
        "speechModel": listening.speech_model,
    }
    return _element("Gather", attributes, *prompt)


def pause(seconds: int) -> Element:
    return _element("Pause", {"length": str(seconds)})


def play(url: str) -> Element:
    return _element("Play", {}, text=url)


def redirect(url: str) -> Element:
    return _element("Redirect", {"method": "POST"}, text=url)


def hangup() -> Element:
    return _element("Hangup", {})


def leave() -> Element:
    """Out of the queue, to the <Enqueue>'s action."""
    return _element("Leave", {})


def dial(
    number: str, ring_s: int, caller_id: str | None, *, action: str | None = None, whisper: str | None = None
) -> Element:
    """Call a number; who answers hears ``whisper`` before the two are connected. No action: the next verb follows."""
    called = _element("Number", {"url": whisper, "method": "POST" if whisper else None}, text=number)
    method = "POST" if action else None
    attributes = {"action": action, "method": method, "timeout": str(ring_s), "callerId": caller_id}
    return _element("Dial", attributes, called)


def enqueue(
    action: str, hold: str, *, queue: str | None = None, workflow: str | None = None, task: str = ""
) -> Element:
    """Into a queue, or to a TaskRouter workflow as a task with these attributes (JSON)."""
    attributes = {
        "action": action,
        "method": "POST",
        "waitUrl": hold,
        "waitUrlMethod": "POST",
        "workflowSid": workflow,
    }
    if workflow:
        return _element("Enqueue", attributes, _element("Task", {}, text=task))
    return _element("Enqueue", attributes, text=queue)


def relay(
    action: str, socket: str, first: RelayLanguage, others: Iterable[RelayLanguage], **more: str | None
) -> Element:
    """Connect the call with a WebSocket, over which words go to and fro."""
    attributes = {
        "url": socket,
        "language": first.code,
        "voice": first.voice,
        "ttsProvider": first.tts_provider,
        "transcriptionProvider": first.transcription_provider,
        "speechModel": first.speech_model,
        "dtmfDetection": "true",
        "interruptible": "any",
        **more,
    }
    noun = _element("ConversationRelay", attributes, *map(_relay_language, others))
    return _element("Connect", {"action": action, "method": "POST"}, noun)


def _relay_language(language: RelayLanguage) -> Element:
    attributes = {
        "code": language.code,
        "voice": language.voice,
        "ttsProvider": language.tts_provider,
        "transcriptionProvider": language.transcription_provider,
        "speechModel": language.speech_model,
    }
    return _element("Language", attributes)


def without_controls(text: str) -> str:
    """The text without what XML cannot hold, such as NUL and halves of surrogate pairs."""
    return _NO_XML.sub("", text)


def _element(tag: str, attributes: dict[str, str | None], *children: Element, text: str | None = None) -> Element:
    made = Element(tag, {name: without_controls(value) for name, value in attributes.items() if value is not None})
    made.text = None if text is None else without_controls(text)
    made.extend(children)
    return made
