"""ConversationRelay's frames, JSON texts over the WebSocket (Twilio, "Getting and sending WebSocket messages")."""

from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from m2n.splitting import split_text

MOST_FRAME = 65_536
"""Characters of a frame that is looked at."""
TOKEN = 300
"""Characters of one token: Twilio begins to speak with the first."""


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Setup(_Frame):
    type: Literal["setup"]
    session: Annotated[str, Field(alias="sessionId", min_length=1, max_length=64)]
    call: Annotated[str, Field(alias="callSid", min_length=1, max_length=64)]
    account: Annotated[str, Field(alias="accountSid")]
    caller: Annotated[str, Field(alias="from", max_length=256)] = ""
    caller_name: Annotated[str | None, Field(alias="callerName", max_length=512)] = None


class Prompt(_Frame):
    """What the caller said. ``last`` is false for what is still being understood."""

    type: Literal["prompt"]
    words: Annotated[str, Field(alias="voicePrompt")]
    lang: str = ""
    last: bool = True


class Key(_Frame):
    type: Literal["dtmf"]
    digit: Annotated[str, Field(pattern=r"^[0-9*#A-Da-dwW]$")]


class Interrupt(_Frame):
    """The caller broke in; the words until then, as Twilio spoke them."""

    type: Literal["interrupt"]
    heard: Annotated[str, Field(alias="utteranceUntilInterrupt")] = ""


class Problem(_Frame):
    type: Literal["error"]


Frame = Setup | Prompt | Key | Interrupt | Problem
_FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])


def read(text: str) -> Frame | None:
    """None for a frame of a type that is not known, and for one that cannot be read."""
    if len(text) > MOST_FRAME:
        return None
    try:
        return _FRAMES.validate_json(text)
    except ValidationError:
        return None


def spoken(text: str, code: str) -> tuple[str, ...]:
    """The frames that say a text: token by token, of which the last ends the turn."""
    parts = split_text(text, TOKEN)
    frames = ({"type": "text", "token": f"{part} ", "last": False, "lang": code} for part in parts[:-1])
    last = ({"type": "text", "token": part, "last": True, "lang": code} for part in parts[-1:])
    return tuple(orjson.dumps(frame).decode() for frame in (*frames, *last))


def end(handoff: str) -> str:
    return orjson.dumps({"type": "end", "handoffData": handoff}).decode()
