"""Signal as the simulator has it: the gateway's API, and being a customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import APIRouter

from services.simulator.ledger import Kind
from services.simulator.signal import api
from services.simulator.signal.envelopes import LONG_TEXT, Doing, Extra, attachment, of_doing, split_body, words
from services.simulator.signal.memory import Account, Memory, Person, StoredFile
from services.simulator.signal.receiving import tell
from services.simulator.state import State
from services.simulator.vendors import Line, Said, SaidAnswer, SentMedia, checked, facts


@dataclass
class SignalStandIn:
    """What a customer can do beside the usual stands in ``Extra``."""

    state: State
    memory: Memory = field(default_factory=Memory)
    channel: str = api.CHANNEL
    title: str = "Signal"

    def routers(self) -> Sequence[APIRouter]:
        return (api.router(self.state, self.memory),)

    def enter(self, line: Line) -> None:
        self.memory.enter(line)

    def forget(self) -> None:
        self.memory.forget()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        account, extra, person = self.memory.account_of(line), _extra(said), self.memory.person(customer)
        person.name = said.name or person.name
        person.hides_number = person.hides_number or extra.hidden_number
        doing = Doing(account, person, said, extra, self._moment(said), await self._files(account, said))
        envelope = of_doing(doing, self.memory)
        before, text = self.state.ledger.last, words(said)
        self.memory.texts[account.number, person.uuid, doing.sent_ms] = text
        id_ = f"{person.uuid}:{doing.sent_ms}"
        self.state.ledger.add(Kind.INBOUND, customer, **self._shown(line, id_, doing, text, base_url))
        told = await tell(self.state.http, account, envelope)
        self.state.ledger.add(Kind.WEBHOOK, customer, **facts(line, id_), **vars(told))
        _afterwards(person, extra)
        return SaidAnswer(message_id=id_, n=before, **vars(told))

    def _moment(self, said: Said) -> int:
        """Of the message that is sent again, or of a new one. Raises ValueError."""
        if said.message_id is None:
            return self.memory.next_ms(int(self.state.now().timestamp() * 1000))
        moment = said.message_id.rpartition(":")[2]
        if not (moment.isascii() and moment.isdigit()):
            raise ValueError("message_id: expected a uuid, ':' and milliseconds since 1970")
        return int(moment)

    async def _files(self, account: Account, said: Said) -> list[dict[str, Any]]:
        """As the gateway: it has fetched and decrypted everything before it tells of it."""
        found: list[dict[str, Any]] = []
        whole = split_body(words(said))[1]
        if whole is not None:
            file = StoredFile(account.number, whole.encode(), LONG_TEXT, "long-text.txt")
            found.append(attachment(self.memory.store(file), file))
        for sent in said.media:
            file = StoredFile(account.number, await self._fetched(sent), sent.content_type, sent.filename)
            found.append(attachment(self.memory.store(file), file, sent))
        return found

    async def _fetched(self, sent: SentMedia) -> bytes:
        try:
            answer = (await self.state.http.get(sent.url, follow_redirects=True)).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as failed:
            raise ValueError(f"media: the file could not be fetched ({type(failed).__name__})") from failed
        return answer.content

    def _shown(self, line: Line, id_: str, doing: Doing, text: str, base_url: str) -> dict[str, Any]:
        said = doing.said
        files = [f"{base_url}/{self.channel}/v1/attachments/{file['id']}" for file in doing.attachments]
        are_pictures = [str(file["contentType"]).startswith("image/") for file in doing.attachments]
        more = said.model_dump(include={"reaction", "edit", "delete", "reply_to"}, exclude_none=True)
        return facts(
            line,
            id_,
            text=said.edit.text if said.edit else text,
            pictures=[file for file, is_picture in zip(files, are_pictures, strict=True) if is_picture],
            files=[file for file, is_picture in zip(files, are_pictures, strict=True) if not is_picture],
            place=said.location.model_dump() if said.location else None,
            extra=said.extra,
            **more,
        )


def _extra(said: Said) -> Extra:
    """Raises ValueError that names the field, also where nothing was said at all."""
    extra = checked(Extra, said.extra, "extra")
    if not said.model_dump(exclude_defaults=True, exclude={"message_id", "name", "reply_to"}):
        raise ValueError("expected one of text, location, media, reaction, edit, delete and extra")
    return extra


def _afterwards(person: Person, extra: Extra) -> None:
    person.has_new_keys = person.has_new_keys or extra.identity_changed
    person.has_left = extra.unregistered
