"""Calls of an adapter that may fail in any way: what came of them, as a value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from m2n.telemetry import where

T = TypeVar("T")


@dataclass(frozen=True)
class Raised:
    """An exception, by its kind and place; its words may quote a customer, so they are not shown."""

    error: Exception = field(repr=False)

    def __str__(self) -> str:
        return f"{type(self.error).__name__} at {where(self.error)}"


def attempt(call: Callable[[], T]) -> T | Raised:
    try:
        return call()
    except Exception as error:
        return Raised(error)
