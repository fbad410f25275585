"""Adapters for tests of what surrounds them."""

from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from m2n.adapters.registry import UnknownAdapter
from m2n.bot_content_errors import BotContentError, Problem
from m2n.tenant import ConnectionKind


class PhoneSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int
    script: str = ""

    @field_validator("script")
    @classmethod
    def _has_an_end(cls, script: str) -> str:
        if script == "endless":
            raise BotContentError([Problem("scenes[0].end", "expected an end; write one")])
        return script


class NoSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")


ADAPTERS = {
    (ConnectionKind.CHANNEL, "phone"): SimpleNamespace(settings=PhoneSettings, secrets=("auth-token",)),
    (ConnectionKind.ENGINE, "echo"): SimpleNamespace(settings=NoSettings, secrets=()),
}


def load(kind: ConnectionKind, name: str) -> Any:
    if (kind, name) not in ADAPTERS:
        raise UnknownAdapter(f"there is no {kind.value} adapter {name!r}; installed are: phone, echo")
    return ADAPTERS[kind, name]
