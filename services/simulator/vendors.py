"""What every vendor's stand-in has in common, so that the page and the tests are customers on all of them alike.

A stand-in is the vendor's API below ``/<channel>/`` (a connection's ``base_url``), its signed webhooks, and what a
customer can do. What happens goes into the ledger in one shape for all; see ``facts`` below.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from services.simulator.settings import HttpAddress, Setup

Given = TypeVar("Given", bound=BaseModel)


def checked(model: type[Given], given: Any, where: str) -> Given:
    """``given`` as the model. Raises ValueError that names the field, within ``where``."""
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ValueError(f"{where}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


Customer = Annotated[str, Field(pattern=r"^\+?[A-Za-z0-9._-]{1,64}$")]
"""Who the customer is: a phone number where the channel has those, else any name of one's own."""


class Line(Setup):
    """A tenant's connection at a vendor: what the vendor knows of it. ``title`` is what the page calls it."""

    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")]
    connection: Annotated[str, Field(min_length=1, max_length=64)]
    title: str = ""
    webhook_url: HttpAddress
    """Where the vendor posts webhooks: ``<public address>/webhooks/<channel>/<connection>``."""
    settings: dict[str, Any] = {}
    """The connection's settings, as in the tenant's file."""
    secrets: dict[str, str] = {}
    """Values of the connection's secrets, by their name in it."""


class SentMedia(Setup):
    """A file of the customer's; the stand-in fetches it from the address and gives it to us as its vendor does."""

    url: HttpAddress
    content_type: str
    filename: str | None = None
    voice: bool = False


class SentLocation(Setup):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    label: str = ""
    address: str = ""


class PressedChoice(Setup):
    """A button or list item that was offered."""

    id: str
    title: str


class SentReaction(Setup):
    target: str
    emoji: str | None = None


class SentEdit(Setup):
    target: str
    text: str


class Said(Setup):
    """One thing that a customer does. ``message_id``: the vendor's id, to send the same again."""

    text: str | None = None
    choice: PressedChoice | None = None
    location: SentLocation | None = None
    media: tuple[SentMedia, ...] = ()
    reaction: SentReaction | None = None
    edit: SentEdit | None = None
    delete: str | None = None
    digits: Annotated[str, Field(pattern=r"^[0-9*#]{1,32}$")] | None = None
    """Keys pressed in a call."""
    hang_up: bool = False
    reply_to: str | None = None
    name: str = ""
    message_id: str | None = None
    extra: dict[str, Any] = {}
    """What only this vendor has; each stand-in says what."""


class SaidAnswer(BaseModel):
    """``status`` is the webhook's HTTP status, None without an answer; ``n`` the ledger's last number before it."""

    message_id: str
    n: int
    status: int | None
    tries: int
    took_ms: float
    error: str | None


class StandIn(Protocol):
    """One channel's vendor."""

    channel: str
    title: str
    """As people call the channel: ``Telegram``."""

    def routers(self) -> Sequence[APIRouter]:
        """The vendor's API, below ``/<channel>``."""
        ...

    def enter(self, line: Line) -> None:
        """Make the connection known at the vendor, or change it. Raises ValueError that says what does not fit."""
        ...

    def forget(self) -> None:
        """Drop conversations, opt-outs and the like; lines stay."""
        ...

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        """Be the customer; returns when the webhook's receiver has answered.

        ``base_url`` is the simulator's own address. Raises ValueError for what the channel does not have.
        """
        ...


def facts(
    line: Line,
    id_: str,
    *,
    text: str = "",
    by: str = "",
    pictures: Sequence[str] = (),
    files: Sequence[str] = (),
    place: dict[str, Any] | None = None,
    choices: Sequence[dict[str, Any]] = (),
    seen: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """What the ledger has of a message, in one shape for all vendors.

    ``choices`` are offered answers: ``{"title": what stands there, "says": the Said that picks it}``; ``by`` names who
    wrote it if that is the vendor itself; ``pictures`` and ``files`` are addresses.
    """
    shown = {
        "channel": line.channel,
        "line": line.connection,
        "id": id_,
        "text": text,
        "by": by,
        "pictures": list(pictures),
        "files": list(files),
        "place": place,
        "choices": list(choices),
        "seen": seen,
    }
    return shown | more
