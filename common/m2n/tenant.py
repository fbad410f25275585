"""A tenant's configuration: languages, rules, texts, connections. Secrets stand in it only by reference."""

from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from m2n.texts import SystemTexts

SLUG = r"^[a-z0-9][a-z0-9-]{1,62}$"
Slug = Annotated[
    str,
    Field(pattern=SLUG, description="lower-case letters, digits, hyphens; 2 to 63"),
]
HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=500)]
"""Of a vendor or of ours; whoever calls it adds path and query."""
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", description="BCP 47: 'en', 'de', 'pt-BR'")]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Config(BaseModel):
    """Base of what people write by hand: unknown fields are errors, since they are mostly typing mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"a known time zone, got {name!r}; use an IANA name such as 'Europe/Berlin'") from unknown
    return name


class SecretRef(Config):
    """A name in the secret store; the value is read by the service that needs it, and nowhere kept."""

    store: Slug = "m2n-secrets"
    key: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.-]+$")]


class ConnectionKind(StrEnum):
    CHANNEL = "channel"
    ENGINE = "engine"
    DESK = "desk"


class MessageRate(Config):
    """Messages a second that a vendor takes of one account, and how many may come at once."""

    per_s: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=100_000)] = 1


class WindowTemplate(Config):
    """A template that the vendor has approved. ``{text}`` in a variable stands for the text that could not go out."""

    template: Annotated[str, Field(min_length=1, max_length=512)]
    language: Annotated[str, Field(max_length=35)] | None = None
    """The vendor's name of the language, if it is not the tenant's."""
    variables: Annotated[tuple[tuple[str, str], ...], Field(max_length=20)] = ()


class Connection(Config):
    """One tenant's account with one channel, engine or desk. The id is unique in the whole installation."""

    id: Slug
    kind: ConnectionKind
    adapter: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")]
    settings: dict[str, Any] = {}
    secrets: dict[Slug, SecretRef] = {}
    signals: tuple[Literal["typing", "read"], ...] = ()
    """Of a channel that can: what a customer is shown while an answer is made. Each costs a call of the vendor's."""
    rate: MessageRate | None = None
    """Of a channel: what the vendor grants this account, where that is not the usual."""
    window_templates: dict[Language, WindowTemplate] = {}
    """Of a channel with a customer-care window: what goes out in place of free text when it is closed, by language."""


class Hours(Config):
    """An opening span of a day in the tenant's time zone; ``until`` 00:00 means midnight at the day's end."""

    since: time
    until: time

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until != time(0) and self.since >= self.until:
            raise ValueError(f"'until' {self.until} is not after 'since' {self.since}; split a span at midnight")
        return self


class HandoverRules(Config):
    """When a human takes over. Defaults follow what the field's products do."""

    desk: Slug | None = None
    """Connection id of the desk; without one the bot keeps every conversation."""
    desk_by_channel: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")], Slug] = {}
    """Another desk for the customers of a channel, such as the queue of a telephone system for ``voice``."""
    phrases: dict[Language, tuple[Annotated[str, Field(min_length=2, max_length=200)], ...]] = {}
    """A customer message that contains one of these words or phrases goes to a human."""
    intents: tuple[str, ...] = ()
    max_fallbacks: Annotated[int, Field(ge=1, le=20)] | None = 2
    """So many answers in a row that did not understand go to a human; None: never."""
    on_engine_failure: bool = True
    assign_timeout_s: Annotated[int, Field(ge=5, le=86_400)] = 120
    """Nobody accepts for so long: the bot apologises and takes back."""
    opening_hours: dict[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], tuple[Hours, ...]] | None = None
    """None: always open."""

    def desk_for(self, channel: str) -> str | None:
        """Connection id of the desk that takes the customers of a channel."""
        return self.desk_by_channel.get(channel, self.desk)


class OptOutRules(Config):
    """Words with which customers opt out and in again, beside the usual ones of ``m2n.opt_out``."""

    stop_words: Annotated[tuple[Annotated[str, Field(min_length=2, max_length=50)], ...], Field(max_length=50)] = ()
    start_words: Annotated[tuple[Annotated[str, Field(min_length=2, max_length=50)], ...], Field(max_length=50)] = ()


class Rules(Config):
    engine: Slug
    """Connection id of the default engine."""
    engine_by_language: dict[Language, Slug] = {}
    pin: Literal["bot", "human"] | None = None
    """Manual pin: every conversation to the bot, or every one to a human."""
    handover: HandoverRules = HandoverRules()
    opt_out: OptOutRules = OptOutRules()
    turn_timeout_s: Annotated[float, Field(ge=1, le=120)] = 10
    """An engine silent for so long is asked again."""
    turn_attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Tenant(Config):
    id: Slug
    name: Annotated[str, Field(min_length=1, max_length=200)]
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=30)]
    """First: the default."""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    session_timeout_s: Annotated[int, Field(ge=10, le=7 * 86_400)] = 20 * 60
    """A session ends after so many seconds without a customer message."""
    rules: Rules
    texts: SystemTexts = SystemTexts()
    connections: Annotated[tuple[Connection, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _references_fit(self) -> Self:
        self._ids_differ()
        for field, wanted, kind in self._references():
            found = self.connection(wanted)
            if found is None or found.kind is not kind:
                raise ValueError(f"{field}: {wanted!r} is not a connection of kind {kind.value!r} of this tenant")
        return self

    def _ids_differ(self) -> None:
        ids = [connection.id for connection in self.connections]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"connections: the id {twice[0]!r} stands twice; ids are unique")

    def _references(self) -> list[tuple[str, str, ConnectionKind]]:
        rules = self.rules
        found = [("rules.engine", rules.engine, ConnectionKind.ENGINE)]
        found += [
            (f"rules.engine_by_language.{k}", v, ConnectionKind.ENGINE) for k, v in rules.engine_by_language.items()
        ]
        if rules.handover.desk:
            found.append(("rules.handover.desk", rules.handover.desk, ConnectionKind.DESK))
        found += [
            (f"rules.handover.desk_by_channel.{k}", v, ConnectionKind.DESK)
            for k, v in rules.handover.desk_by_channel.items()
        ]
        return found

    @property
    def default_language(self) -> str:
        return self.languages[0]

    def connection(self, connection_id: str) -> Connection | None:
        return next((c for c in self.connections if c.id == connection_id), None)


class Role(StrEnum):
    ADMIN = "admin"
    """May read and change the tenant."""
    AGENT = "agent"
    """May work at the tenant's desk."""


class ApiKey(Config):
    """An API key as it is kept: its name, role and SHA-256, never the key."""

    id: Slug
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TenantSnapshot(Config):
    """What the services keep a copy of."""

    tenant: Tenant
    version: int
    api_keys: tuple[ApiKey, ...] = ()
