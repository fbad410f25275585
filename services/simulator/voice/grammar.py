"""TwiML as Twilio takes it, strictly: an unknown verb or attribute is an error here, so that none goes unseen."""

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError, XMLParser

_SPEECH = ("voice", "language", "loop")
_GATHER = (
    "input", "action", "method", "timeout", "speechTimeout", "maxSpeechTime", "numDigits", "finishOnKey", "language",
    "hints", "profanityFilter", "speechModel", "enhanced", "bargeIn", "partialResultCallback",
    "partialResultCallbackMethod", "actionOnEmptyResult", "debug",
)  # fmt: skip
_RELAY = (
    "url", "welcomeGreeting", "welcomeGreetingInterruptible", "language", "ttsLanguage", "transcriptionLanguage",
    "ttsProvider", "voice", "transcriptionProvider", "speechModel", "profanityFilter", "dtmfDetection",
    "partialPrompts", "interruptible", "interruptSensitivity", "reportInputDuringAgentSpeech", "preemptible", "hints",
    "debug", "intelligenceService", "elevenlabsTextNormalization", "events",
)  # fmt: skip
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Response": (),
    "Say": _SPEECH,
    "Play": ("loop", "digits"),
    "Pause": ("length",),
    "Redirect": ("method",),
    "Hangup": (),
    "Reject": ("reason",),
    "Leave": (),
    "Gather": _GATHER,
    "Dial": ("action", "method", "timeout", "callerId", "record", "answerOnBridge", "timeLimit", "hangupOnStar"),
    "Number": ("url", "method", "sendDigits", "statusCallback", "statusCallbackEvent", "statusCallbackMethod"),
    "Enqueue": ("action", "method", "waitUrl", "waitUrlMethod", "workflowSid", "maxQueueSize"),
    "Task": ("priority", "timeout"),
    "Connect": ("action", "method"),
    "ConversationRelay": _RELAY,
    "Language": ("code", "ttsProvider", "voice", "transcriptionProvider", "speechModel", "hints"),
    "Parameter": ("name", "value"),
}
"""Of each verb and noun."""
WITHIN: Mapping[str, tuple[str, ...]] = {
    "Response": (
        "Say", "Play", "Pause", "Redirect", "Hangup", "Reject", "Leave", "Gather", "Dial", "Enqueue", "Connect",
    ),
    "Gather": ("Say", "Play", "Pause"),
    "Dial": ("Number",),
    "Enqueue": ("Task",),
    "Connect": ("ConversationRelay",),
    "ConversationRelay": ("Language", "Parameter"),
}  # fmt: skip
MOST_BYTES = 64 * 1024
MOST_SAY = 4096
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BadTwiml(ValueError):
    """What Twilio finds wrong, with the code of its error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def read(document: str) -> list[Element]:
    """The document's verbs. Raises BadTwiml."""
    if len(document.encode()) > MOST_BYTES:
        raise BadTwiml(11750, "the TwiML is longer than 64 KiB")
    parser = XMLParser()  # noqa: S314 - from the installation under test; expat expands no external entities
    try:
        parser.feed(document)
        root = parser.close()
    except ParseError as broken:
        raise BadTwiml(12100, f"the TwiML cannot be parsed: {broken}") from None
    if root.tag != "Response":
        raise BadTwiml(12102, f"the root is <{root.tag}>, not <Response>")
    for problem in _problems(root):
        raise BadTwiml(12200, problem)
    return list(root)


def _problems(element: Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        if name not in ATTRIBUTES[element.tag]:
            yield f"<{element.tag}> has no attribute {name!r}"
        elif (fits := _VALUES.get((element.tag, name)) or _VALUES.get(("", name))) and not fits(value):
            yield f"<{element.tag} {name}> cannot be {value!r}"
    for name in _REQUIRED.get(element.tag, ()):
        if name not in element.attrib:
            yield f"<{element.tag}> needs {name!r}"
    yield from _text_problems(element)
    for child in element:
        if child.tag not in WITHIN.get(element.tag, ()):
            yield f"<{child.tag}> cannot stand in <{element.tag}>"
        else:
            yield from _problems(child)


def _text_problems(element: Element) -> Iterator[str]:
    text = (element.text or "").strip()
    if element.tag in ("Say", "Play", "Redirect", "Number", "Task") and not text:
        yield f"<{element.tag}> is empty"
    if element.tag == "Say" and len(text) > MOST_SAY:
        yield f"<Say> has {len(text)} characters, the most is {MOST_SAY}"
    if element.tag == "Number" and not re.fullmatch(r"\+[1-9][0-9]{6,14}", text):
        yield "<Number> is no number in E.164"
    if element.tag == "Enqueue" and not text and "workflowSid" not in element.attrib:
        yield "<Enqueue> needs a queue's name or a workflowSid"
    if element.tag == "Enqueue" and len(text) > 64:
        yield "<Enqueue>: the queue's name is longer than 64"


def is_socket(url: str) -> bool:
    """``wss``; to this machine ``ws`` too, where Twilio would refuse it."""
    parts = urlsplit(url)
    return parts.scheme == "wss" or (parts.scheme == "ws" and parts.hostname in LOOPBACK)


def _number(low: int, high: int) -> Callable[[str], bool]:
    return lambda value: value.isascii() and value.isdigit() and low <= int(value) <= high


def _one_of(*words: str) -> Callable[[str], bool]:
    return lambda value: value in words


_BOOLEAN = _one_of("true", "false")
_VALUES: Mapping[tuple[str, str], Callable[[str], bool]] = {
    ("", "method"): _one_of("GET", "POST"),
    ("", "waitUrlMethod"): _one_of("GET", "POST"),
    ("Pause", "length"): _number(0, 600),
    ("Say", "loop"): _number(0, 1000),
    ("Gather", "input"): _one_of("dtmf", "speech", "dtmf speech", "speech dtmf"),
    ("Gather", "timeout"): _number(1, 600),
    ("Gather", "numDigits"): _number(1, 100),
    ("Gather", "speechTimeout"): lambda value: value == "auto" or _number(1, 60)(value),
    ("Gather", "actionOnEmptyResult"): _BOOLEAN,
    ("Gather", "bargeIn"): _BOOLEAN,
    ("Dial", "timeout"): _number(1, 600),
    ("Dial", "callerId"): lambda value: re.fullmatch(r"\+[1-9][0-9]{6,14}", value) is not None,
    ("Enqueue", "workflowSid"): lambda value: re.fullmatch(r"WW[0-9a-fA-F]{32}", value) is not None,
    ("ConversationRelay", "url"): is_socket,
    ("ConversationRelay", "dtmfDetection"): _BOOLEAN,
    ("ConversationRelay", "interruptible"): _one_of("none", "dtmf", "speech", "any", "true", "false"),
    ("Reject", "reason"): _one_of("busy", "rejected"),
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "ConversationRelay": ("url",),
    "Language": ("code",),
    "Parameter": ("name", "value"),
}
