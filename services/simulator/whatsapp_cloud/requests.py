"""The shapes of requests to the messages endpoint, with Meta's limits, and what Meta finds wrong with one.

After the schemas of the Cloud API 23.0. What the API has beyond it (flows, products, links as buttons, media by an
uploaded id) is not taken here.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from services.simulator.whatsapp_cloud.problems import Problem, invalid, missing, unexpected

MAX_ROWS = 10


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http(s) link")
    return url


def _text(least: int, most: int) -> Any:
    return Field(min_length=least, max_length=most)


class Part(BaseModel):
    """Meta refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Text(Part):
    body: Annotated[str, _text(1, 4096)]
    preview_url: bool = False


class Linked(Part):
    link: Annotated[str, AfterValidator(_http)]


class Captioned(Linked):
    caption: Annotated[str, _text(1, 1024)] | None = None


class Document(Captioned):
    filename: Annotated[str, _text(1, 240)] | None = None


class Location(Part):
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None


class CardName(Part):
    formatted_name: Annotated[str, _text(1, 512)]
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    suffix: str | None = None
    prefix: str | None = None

    @model_validator(mode="after")
    def _has_a_part(self) -> Self:
        if not any((self.first_name, self.last_name, self.middle_name, self.suffix, self.prefix)):
            raise ValueError("expected a part of the name beside formatted_name")
        return self


class CardPhone(Part):
    phone: Annotated[str, _text(1, 512)]
    type: str | None = None
    wa_id: str | None = None


class CardEmail(Part):
    email: Annotated[str, _text(1, 512)]
    type: str | None = None


class Card(Part):
    name: CardName
    phones: list[CardPhone] = []
    emails: list[CardEmail] = []


class Reaction(Part):
    message_id: Annotated[str, _text(1, 512)]
    emoji: Annotated[str, _text(0, 32)]


class Words(Part):
    text: Annotated[str, _text(1, 1024)]


class Short(Part):
    text: Annotated[str, _text(1, 60)]


class Header(Short):
    type: Literal["text"]


class Reply(Part):
    id: Annotated[str, _text(1, 256)]
    title: Annotated[str, _text(1, 20)]


class ReplyButton(Part):
    type: Literal["reply"]
    reply: Reply


class Buttons(Part):
    buttons: Annotated[list[ReplyButton], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _unique("buttons.reply.id", [one.reply.id for one in self.buttons])
        _unique("buttons.reply.title", [one.reply.title for one in self.buttons])
        return self


class Row(Part):
    id: Annotated[str, _text(1, 200)]
    title: Annotated[str, _text(1, 24)]
    description: Annotated[str, _text(0, 72)] | None = None


class Section(Part):
    rows: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]
    title: Annotated[str, _text(1, 24)] | None = None


class Rows(Part):
    button: Annotated[str, _text(1, 20)]
    sections: Annotated[list[Section], Field(min_length=1, max_length=10)]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        rows = [row for section in self.sections for row in section.rows]
        if len(rows) > MAX_ROWS:
            raise ValueError(f"expected at most {MAX_ROWS} rows in all sections")
        if len(self.sections) > 1 and not all(section.title for section in self.sections):
            raise ValueError("expected a title of every section, since there are several")
        _unique("rows.id", [row.id for row in rows])
        return self


def _unique(name: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"expected {name} to differ")


class InteractiveButtons(Part):
    type: Literal["button"]
    body: Words
    action: Buttons
    header: Header | None = None
    footer: Short | None = None


class InteractiveList(Part):
    type: Literal["list"]
    body: Words
    action: Rows
    header: Header | None = None
    footer: Short | None = None


class Language(Part):
    code: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$")]
    policy: Literal["deterministic"] = "deterministic"


class Parameter(Part):
    type: Literal["text", "payload"]
    text: Annotated[str, _text(1, 32_768)] | None = None
    payload: str | None = None
    parameter_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if getattr(self, self.type) is None:
            raise ValueError(f"expected {self.type}")
        return self


class Component(Part):
    type: Literal["header", "body", "button"]
    parameters: list[Parameter] = []
    sub_type: Literal["quick_reply", "url"] | None = None
    index: str | None = None


class Template(Part):
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Language
    components: list[Component] = []

    @property
    def variables(self) -> list[str]:
        """Values in the template's body."""
        bodies = (component for component in self.components if component.type == "body")
        return [parameter.text or "" for component in bodies for parameter in component.parameters]


class Quoted(Part):
    message_id: Annotated[str, _text(1, 512)]


TYPES = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
]


class Send(Part):
    """A message. ``to`` is a number, ``recipient`` a business-scoped user id; with both, ``to`` counts."""

    messaging_product: Literal["whatsapp"]
    recipient_type: Literal["individual"] = "individual"
    to: Annotated[str, Field(pattern=r"^\+?[0-9]{5,16}$")] | None = None
    recipient: Annotated[str, Field(pattern=r"^[A-Z]{2}\.[A-Za-z0-9.]{1,132}$")] | None = None
    type: TYPES = "text"
    context: Quoted | None = None
    biz_opaque_callback_data: Annotated[str, _text(1, 512)] | None = None
    text: Text | None = None
    image: Captioned | None = None
    video: Captioned | None = None
    audio: Linked | None = None
    document: Document | None = None
    sticker: Linked | None = None
    location: Location | None = None
    contacts: Annotated[list[Card], Field(min_length=1)] | None = None
    reaction: Reaction | None = None
    interactive: Annotated[InteractiveButtons | InteractiveList, Field(discriminator="type")] | None = None
    template: Template | None = None


class TypingIndicator(Part):
    type: Literal["text"]


class Read(Part):
    """A customer's message was read; with ``typing_indicator`` somebody types an answer."""

    messaging_product: Literal["whatsapp"]
    status: Literal["read"]
    message_id: Annotated[str, _text(1, 512)]
    typing_indicator: TypingIndicator | None = None


def read_request(body: bytes) -> Send | Read | Problem:
    """What a request asks for, or the first thing that is wrong with it."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return unexpected("the body is no JSON")
    if not isinstance(found, dict):
        return unexpected("the body is no JSON object")
    try:
        asked = Read.model_validate_json(body) if "status" in found else Send.model_validate_json(body)
    except ValidationError as wrong:
        return _problem(wrong.errors(include_url=False))
    return asked if isinstance(asked, Read) else _incomplete(asked) or asked


def _problem(errors: Iterable[ErrorDetails]) -> Problem:
    """What is missing first, then what is unknown, then what has a wrong value."""
    kinds = {"missing": missing, "extra_forbidden": unexpected}
    ranked = sorted(errors, key=lambda error: [*kinds, error["type"]].index(error["type"]))
    place = ".".join(map(str, ranked[0]["loc"]))
    return kinds.get(ranked[0]["type"], invalid)(f"{place}: {ranked[0]['msg']}")


def _incomplete(send: Send) -> Problem | None:
    if send.to is None and send.recipient is None:
        return missing("The parameter to is required.")
    if getattr(send, send.type) is None:
        return missing(f"The parameter {send.type} is required.")
    return None
