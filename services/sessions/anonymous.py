"""A recording without a customer's, an agent's or a company's words and numbers, so that it can become a test.

What went into the steps is replaced, the same by the same, and the steps are done again; so nothing of what came out
of the recorded ones is kept.
"""

import re
from typing import Any

from pydantic_core import from_json as any_from_json
from pydantic_core import to_json as any_to_json

from m2n.keys import digest
from services.sessions.replay import Equal, NotComplete, Recording, done_again, replay
from services.sessions.step_record import StepRecord

PLAIN = frozenset({
    "action", "adapter", "at", "author", "buckets", "channel", "code", "deferred_until", "intent", "intents",
    "kind", "language", "languages", "last_intent", "mime", "outcome", "owner", "pin", "reason", "recent", "scheme",
    "since", "status", "timezone", "type", "until", "vendor_time", "what",
})  # fmt: skip
"""Fields whose texts are the system's or the configuration's own, like times (``..._at``); all others are replaced."""
PLACES = frozenset({"latitude", "longitude"})
PROFILE = "P1"
_PHONE = re.compile(r"([a-z]*:?\+?)(\d{7,15})")
"""A phone number, alone or as an address."""


class NotAnonymous(Exception):
    """The recording cannot be made anonymous; the text says why."""


def anonymised(recording: Recording) -> Recording:
    """Raises NotComplete, NotAnonymous."""
    if not isinstance(replay(recording), Equal):
        raise NotAnonymous("the session does not replay equal, so its steps cannot be done again with other words")
    try:
        done = done_again(_renamed(recording))
    except NotComplete as failed:
        raise NotAnonymous(f"the present code does not take the replaced words: {failed}") from failed
    for before, after in zip(recording.steps, done.steps, strict=True):
        if _shape(any_from_json(before.result)) != _shape(any_from_json(after.result)):
            raise NotAnonymous(f"step {before.step} comes out otherwise with other words")
    return done


class Replacements:
    """Other texts for texts: the same for the same, as long as the old ones, with numbers for numbers."""

    def __init__(self, profile_id: str) -> None:
        self._own_id = re.compile(rf"{re.escape(profile_id)}(?=[.:]|$)")
        self._given: dict[str, str] = {}

    def of(self, value: Any, key: str = "") -> Any:
        """The value with every text in it replaced; ``key`` is the field that it stands in."""
        if isinstance(value, dict):
            return {name: self.of(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, key) for each in value]
        if key in PLACES:
            return 0.0
        if not isinstance(value, str) or not value or key in PLAIN or key.endswith("_at"):
            return value
        return self.text(value, key)

    def text(self, value: str, key: str) -> str:
        if self._own_id.match(value):
            return self._own_id.sub(PROFILE, value, count=1)
        if found := _PHONE.fullmatch(value):
            prefix, number = found.groups()
            return prefix + self._given.setdefault(number, f"{len(self._given) + 1:0>{len(number)}}")
        return self._given.setdefault(value, self._label(value, key))

    def _label(self, value: str, key: str) -> str:
        label = f"{key.replace('_', '-').lower()}-{len(self._given) + 1}"
        place = " {agent}" if "{agent}" in value else ""
        return label.ljust(len(value) - len(place), "x") + place


def _renamed(recording: Recording) -> Recording:
    """What went into the steps with other words; what came of them still has the old ones."""
    other = Replacements(recording.session_id.rpartition(".")[0])
    tenants = {old: any_to_json(other.of(any_from_json(text))).decode() for old, text in recording.tenants.items()}
    digests = {old: digest(text) for old, text in tenants.items()}
    return Recording(
        tenant=other.text(recording.tenant, "tenant"),
        session_id=other.text(recording.session_id, "session"),
        steps=tuple(_renamed_step(record, other, digests) for record in recording.steps),
        tenants={digests[old]: text for old, text in tenants.items()},
    )


def _renamed_step(record: StepRecord, other: Replacements, digests: dict[str, str]) -> StepRecord:
    texts = {"event": record.event, "before": record.before}
    changes: dict[str, Any] = {
        name: any_to_json(other.of(any_from_json(text))).decode() for name, text in texts.items() if text
    }
    sessions = tuple(other.text(id_, "session") for id_ in record.sessions)
    return record.model_copy(update=changes | {"sessions": sessions, "tenant_digest": digests[record.tenant_digest]})


def _shape(value: Any) -> Any:
    """The value without its texts."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return "" if isinstance(value, str) else value
