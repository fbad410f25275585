"""What a desk adapter is: where human agents sit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from m2n.events import DeskNotice, Turn
from m2n.tenant import Connection


class DeskUnavailable(Exception):
    """The desk cannot take the conversation now; asking again may help."""


class ConversationOver(Exception):
    """The desk has ended the conversation of this epoch, so it did not take the turn; the lane will hear of the end."""


@dataclass(frozen=True)
class DeskContext:
    connection: Connection
    secrets: Mapping[str, str]


class Desk(Protocol):
    """A desk adapter. Both calls may come twice for the same input and must then have one effect."""

    name: str
    settings: type[BaseModel]
    secrets: tuple[str, ...]

    async def take(self, turn: Turn, context: DeskContext) -> None:
        """Show the turn's lines to the agents; the first turn of an epoch opens the conversation there.

        Raises DeskUnavailable, ConversationOver.
        """
        ...

    async def notice(self, notice: DeskNotice) -> None:
        """The lane took the conversation back."""
        ...
