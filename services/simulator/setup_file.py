"""The setup in a private file, so that a restart keeps accounts, senders and web chats. Conversations are not kept."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from services.simulator.settings import Account, Sender, Setup, Sid, WebChat
from services.simulator.state import State
from services.simulator.vendors import Line

NAME = "setup.json"


class KeptSetup(Setup):
    """What the file holds."""

    accounts: dict[Sid, Account] = {}
    senders: tuple[Sender, ...] = ()
    webchats: tuple[WebChat, ...] = ()
    lines: tuple[Line, ...] = ()
    strangers_wrote: bool = False

    @classmethod
    def of(cls, state: State) -> Self:
        accounts = {sid: Account(token=token, test=sid in state.test_accounts) for sid, token in state.tokens.items()}
        return cls(
            accounts=accounts,
            senders=tuple(state.senders.values()),
            webchats=tuple(state.webchats.values()),
            lines=tuple(state.lines.values()),
            strangers_wrote=state.strangers_wrote,
        )

    def enter(self, state: State) -> None:
        state.tokens.update((sid, account.token) for sid, account in self.accounts.items())
        state.test_accounts.update(sid for sid, account in self.accounts.items() if account.test)
        state.senders.update((sender.sender, sender) for sender in self.senders)
        state.webchats.update((webchat.connection, webchat) for webchat in self.webchats)
        for line in self.lines:
            if line.channel in state.stand_ins:
                state.enter(line)
        state.strangers_wrote = self.strangers_wrote


@dataclass(frozen=True)
class SetupFile:
    """Without a path nothing is kept."""

    path: Path | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def from_environment(cls) -> Self:
        """Below ``M2N_DATA_DIR``, if that is set."""
        folder = os.environ.get("M2N_DATA_DIR")
        return cls(Path(folder) / NAME if folder else None)

    def restore(self, state: State) -> None:
        """Enter what was kept. Raises ValueError, which names the file, if that is no setup."""
        if self.path is None or not self.path.exists():
            return
        try:
            kept = KeptSetup.model_validate_json(self.path.read_bytes())
        except ValidationError as wrong:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong.errors())
            raise ValueError(f"{self.path}: expected the simulator's setup ({what}). Remove the file.") from None
        kept.enter(state)

    async def keep(self, state: State) -> None:
        if self.path is None:
            return
        async with self._one_at_a_time:
            text = KeptSetup.of(state).model_dump_json(indent=2)
            await asyncio.to_thread(_write_private, self.path, text)


def _write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; only its owner may ever read it, for it holds the accounts' tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)
