"""A message of ours: what is wrong with it, and how it gets to the customer's phone."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from services.simulator.ledger import Kind
from services.simulator.signal.answers import FAILED, NO_ACCOUNT, UNTRUSTED, Refusal, invalid
from services.simulator.signal.envelopes import LONG_TEXT, split_body
from services.simulator.signal.memory import Account, Memory, Person, StoredFile
from services.simulator.signal.progress import deliver
from services.simulator.signal.requests import SendRequest
from services.simulator.state import State
from services.simulator.vendors import facts

MAX_FILE = 150 * 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """A message that Signal took for at least one. ``failed``: recipients who do not get it, and why."""

    sent_ms: int
    failed: tuple[tuple[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        errors = [{"recipient": recipient, "type": why} for recipient, why in self.failed]
        return {"timestamp": str(self.sent_ms)} | ({"errors": {"recipients": errors}} if errors else {})


@dataclass(frozen=True)
class Desk:
    """Where messages of ours are taken in. ``base_url``: the gateway's own address, for the page."""

    state: State
    memory: Memory
    base_url: str

    def send(self, wanted: SendRequest) -> Sent:
        """Raises Refusal."""
        account = self._account(wanted)
        files = [self._stored(account, _decoded(data)) for data in wanted.base64_attachments]
        known = {address: self.memory.recipient(address) for address in wanted.recipients}
        failed = {address: why for address, person in known.items() if (why := _failure(person))}
        if len(failed) == len(known):
            raise Refusal(UNTRUSTED if set(failed.values()) == {"IDENTITY_FAILURE"} else FAILED)
        sent_ms = self.memory.next_ms(int(self.state.now().timestamp() * 1000))
        for address, person in known.items():
            if person is not None and address not in failed:
                self._hand_over(_Message(account, person, wanted, sent_ms, list(files)))
        return Sent(sent_ms, tuple(failed.items()))

    def _account(self, wanted: SendRequest) -> Account:
        if not wanted.recipients:
            raise invalid("please provide at least one recipient")
        if not wanted.number:
            raise invalid("please provide a valid number")
        if wanted.number not in self.memory.accounts:
            raise Refusal(NO_ACCOUNT)
        if not wanted.message and not wanted.base64_attachments:
            raise Refusal("Sending empty message is not allowed, either a message or attachmentText must be given.")
        if wanted.quote_timestamp is not None and not wanted.quote_author:
            raise invalid("quote author missing")
        return self.memory.accounts[wanted.number]

    def _hand_over(self, message: "_Message") -> None:
        account, person, wanted = message.account, message.person, message.wanted
        preview, whole = split_body(wanted.message)
        if whole is not None:
            message.files.append(self._stored(account, StoredFile(account.number, whole.encode(), LONG_TEXT)))
        self.memory.texts[account.number, account.uuid, message.sent_ms] = wanted.message
        self.memory.sent_to[account.number, message.sent_ms] = person.uuid
        edited = wanted.edit_timestamp
        ours = edited is None or self.memory.sent_to.get((account.number, edited)) == person.uuid
        pictures = [id_ for id_ in message.files if self.memory.files[id_].mime.startswith("image/")]
        shown = facts(
            account.line,
            f"{account.number}:{message.sent_ms}",
            text=preview,
            pictures=[self._address(id_) for id_ in pictures],
            files=[self._address(id_) for id_ in message.files if id_ not in pictures],
            seen=ours and self.state.statuses.final not in ("failed", "undelivered"),
            long_text=whole is not None,
            edits=None if edited is None else f"{account.number}:{edited}",
            reply_to=_quoted(wanted, account, person),
        )
        self.state.ledger.add(Kind.OUTBOUND, person.who, **shown)
        deliver(self.state, account, person, message.sent_ms)

    def _stored(self, account: Account, file: StoredFile) -> str:
        return self.memory.store(
            file if file.number else StoredFile(account.number, file.content, file.mime, file.filename)
        )

    def _address(self, id_: str) -> str:
        return f"{self.base_url}/v1/attachments/{id_}"


@dataclass(frozen=True)
class _Message:
    account: Account
    person: Person
    wanted: SendRequest
    sent_ms: int
    files: list[str] = field(default_factory=list)


def _failure(person: Person | None) -> str | None:
    """Why they do not get anything, in signal-cli's word."""
    if person is None or person.has_left:
        return "UNREGISTERED_FAILURE"
    return "IDENTITY_FAILURE" if person.has_new_keys else None


def _quoted(wanted: SendRequest, account: Account, person: Person) -> str | None:
    """The id of what is answered, as the ledger has it."""
    if wanted.quote_timestamp is None or not wanted.quote_author:
        return None
    ours = account.names(wanted.quote_author)
    return f"{account.number if ours else person.uuid}:{wanted.quote_timestamp}"


def _decoded(data: str) -> StoredFile:
    """Base64, or ``data:<type>;filename=<name>;base64,<Base64>``. Raises Refusal."""
    head, marked, encoded = data.rpartition("base64,")
    named = (part.removeprefix("filename=") for part in head.split(";") if part.startswith("filename="))
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("illegal base64 data") from None
    if not content:
        raise Refusal("The base64 data does not exist.")
    if len(content) > MAX_FILE:
        raise Refusal("Attachment is too big")
    mime = head.partition(";")[0].removeprefix("data:") or "application/octet-stream"
    return StoredFile("", content, mime, next(named, None) if marked else None)
