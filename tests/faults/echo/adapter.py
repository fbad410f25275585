"""An engine for verification: its answer names the customer's messages that it answers.

A customer writes ``acme c17 12 some words``: tenant, customer, the customer's serial number, words. The answer to a
turn is ``bot acme c17: 12 13 14``. A line of somebody else in the turn shows as ``beta/c3/4``, and one without a
serial number as ``?``. Of the words, ``slow250`` delays the answer by 250 ms, and ``human`` asks for an agent instead
of answering.
"""

import asyncio
import re

from pydantic import BaseModel, ConfigDict

from m2n.adapters.engine import Engine, EngineAnswer, EngineContext
from m2n.events import Turn
from m2n.message import Author, TextContent, plain_text

_LINE = re.compile(r"(\S+) (c\d+) (\d+)(?!\S)")
_SLOW = re.compile(r"(?<!\S)slow(\d{1,5})(?!\S)")
_HUMAN = re.compile(r"(?<!\S)human(?!\S)")


class EchoSettings(BaseModel):
    """It has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EchoEngine:
    name: str = "echo"
    settings: type[BaseModel] = EchoSettings
    secrets: tuple[str, ...] = ()

    async def answer(self, turn: Turn, context: EngineContext) -> EngineAnswer:
        texts = [plain_text(line.content) for line in turn.lines if line.author is Author.CUSTOMER]
        await asyncio.sleep(sum(delays_ms(text) for text in texts) / 1000)
        if not turn.returned and any(_HUMAN.search(text) for text in texts):
            return EngineAnswer((), handover=True, because="a line has the word 'human'")
        return EngineAnswer((TextContent(text=answer_text(texts)),), because="an echo")


def delays_ms(text: str) -> int:
    """How long the text asks the answer to take, in milliseconds."""
    return sum(int(number) for number in _SLOW.findall(text))


def answer_text(texts: list[str]) -> str:
    """The answer to a customer's lines. The first line with a serial number says who the customer is."""
    found = [_LINE.match(text) for text in texts]
    first = next((line for line in found if line), None)
    who = (first[1], first[2]) if first else ("?", "?")
    tokens = [_token(line, who) if line else "?" for line in found]
    return f"bot {who[0]} {who[1]}: {' '.join(tokens)}"


def _token(line: re.Match[str], who: tuple[str, str]) -> str:
    return line[3] if (line[1], line[2]) == who else f"{line[1]}/{line[2]}/{line[3]}"


engine: Engine = EchoEngine()
