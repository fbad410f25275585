"""Who answers: pure decisions from a turn and the tenant's rules. Every decision says why."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from m2n.events import HandoverReason, Owner, Reply, SessionFacts, Turn
from m2n.message import Author, plain_text
from m2n.tenant import WEEKDAYS, Hours, Tenant


class Availability(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    NO_DESK = "no desk"


@dataclass(frozen=True)
class ToEngine:
    connection: str
    because: str


@dataclass(frozen=True)
class ToDesk:
    connection: str
    because: str


@dataclass(frozen=True)
class HandOver:
    """The lane is to give the session to the human side."""

    reason: HandoverReason
    because: str


@dataclass(frozen=True)
class Closed:
    """A human is wanted, but the desk is closed at this time: say so, the bot keeps the session."""

    because: str


@dataclass(frozen=True)
class Impossible:
    """The tenant's rules leave nobody to ask."""

    because: str


Decision = ToEngine | ToDesk | HandOver | Closed | Impossible


def route(turn: Turn, tenant: Tenant, now: datetime) -> Decision:
    """Where a turn goes: the desk that owns it, a human if one is wanted, else the language's engine."""
    session = turn.session
    if session.owner is Owner.HUMAN:
        return _to_owning_desk(session, tenant)
    wanted = _human_wanted(turn, tenant)
    if wanted is not None:
        return _if_available(wanted, tenant, now, session.address.channel) or _to_engine(
            session, tenant, f"{wanted.because}, but there is no desk"
        )
    return _to_engine(session, tenant)


def after_answer(
    reply: Reply, fallbacks: int, tenant: Tenant, now: datetime, channel: str = ""
) -> HandOver | Closed | None:
    """Whether an engine's answer leads to a human: its own signal, an intent, or too many fallbacks in a row.

    ``fallbacks`` counts this answer, ``channel`` is the customer's. None where the bot keeps the session.
    """
    rules = tenant.rules.handover
    if tenant.rules.pin == "bot":
        return None
    if reply.reason is HandoverReason.ENGINE:
        wanted = HandOver(HandoverReason.ENGINE, f"the engine asked for a human ({reply.because})")
    elif reply.intent is not None and reply.intent in rules.intents:
        wanted = HandOver(HandoverReason.INTENT, f"the intent {reply.intent!r} goes to a human")
    elif reply.fallback and rules.max_fallbacks is not None and fallbacks >= rules.max_fallbacks:
        wanted = HandOver(HandoverReason.FALLBACKS, f"{fallbacks} answers in a row did not understand")
    else:
        return None
    return _if_available(wanted, tenant, now, channel)


def availability(tenant: Tenant, now: datetime, channel: str = "") -> Availability:
    """Whether the tenant's desk for the channel takes conversations at this moment, in the tenant's time zone."""
    rules = tenant.rules.handover
    if rules.desk_for(channel) is None:
        return Availability.NO_DESK
    if rules.opening_hours is None:
        return Availability.OPEN
    local = now.astimezone(ZoneInfo(tenant.timezone))
    spans = rules.opening_hours.get(WEEKDAYS[local.weekday()], ())  # pyright: ignore[reportArgumentType]
    return Availability.OPEN if any(_within(local.time(), span) for span in spans) else Availability.CLOSED


def _within(moment: time, span: Hours) -> bool:
    return span.since <= moment and (span.until == time(0) or moment < span.until)


def _if_available(wanted: HandOver, tenant: Tenant, now: datetime, channel: str) -> HandOver | Closed | None:
    match availability(tenant, now, channel):
        case Availability.OPEN:
            return wanted
        case Availability.CLOSED:
            return Closed(f"{wanted.because}, but the desk is closed")
    return None


def _to_owning_desk(session: SessionFacts, tenant: Tenant) -> Decision:
    desk = session.desk or tenant.rules.handover.desk_for(session.address.channel)
    if desk is None or tenant.connection(desk) is None:
        return Impossible(f"a human owns the session, but the tenant has no desk {desk!r}")
    return ToDesk(desk, "a human owns the session")


def _to_engine(session: SessionFacts, tenant: Tenant, because: str = "") -> Decision:
    special = tenant.rules.engine_by_language.get(session.language)
    if special is not None:
        return ToEngine(special, because or f"engine for the language {session.language!r}")
    return ToEngine(tenant.rules.engine, because or "the tenant's default engine")


def _human_wanted(turn: Turn, tenant: Tenant) -> HandOver | None:
    if tenant.rules.pin == "bot" or turn.returned:
        return None
    if tenant.rules.pin == "human":
        return HandOver(HandoverReason.PINNED, "the tenant pins every conversation to a human")
    words = " ".join(_plain(plain_text(line.content)) for line in turn.lines if line.author is Author.CUSTOMER)
    for language, phrases in tenant.rules.handover.phrases.items():
        for phrase in phrases:
            if _phrase(phrase).search(words):
                return HandOver(HandoverReason.ASKED, f"the customer used the {language!r} phrase {phrase!r}")
    return None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=4096)
def _phrase(phrase: str) -> re.Pattern[str]:
    """Whole words only, any white space between them."""
    parts = (re.escape(word) for word in _plain(phrase).split())
    return re.compile(r"(?<!\w)" + r"\s+".join(parts) + r"(?!\w)")
