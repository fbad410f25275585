"""What an engine adapter is, and the service around one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from m2n.events import Turn
from m2n.message import Content
from m2n.tenant import Connection


class EngineUnavailable(Exception):
    """The engine cannot answer now; asking again may help."""


@dataclass(frozen=True)
class EngineAnswer:
    messages: tuple[Content, ...]
    intent: str | None = None
    confidence: float | None = None
    language: str | None = None
    """The language that it understood, where it can tell."""
    fallback: bool = False
    """It did not understand."""
    handover: bool = False
    """The engine itself asks for a human."""
    end_session: bool = False
    because: str = ""
    """How it came to the answer, for people; never the customer's words."""


@dataclass(frozen=True)
class EngineContext:
    """The tenant's connection to the engine, its secrets, and the version of its configuration."""

    connection: Connection
    secrets: Mapping[str, str]
    version: int


class Engine(Protocol):
    """An engine adapter: one coroutine. It may be asked the same turn twice and need not remember."""

    name: str
    settings: type[BaseModel]
    secrets: tuple[str, ...]

    async def answer(self, turn: Turn, context: EngineContext) -> EngineAnswer:
        """Raises EngineUnavailable."""
        ...
