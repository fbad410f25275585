"""A recording without a customer's, an agent's or a company's words and numbers, so that it can become a test.

What went into the steps is replaced, the same by the same, and the steps are done again; so nothing of what came out
of the recorded ones is kept.
"""

import re

from pydantic_core import from_json as any_from_json

from services.sessions.replay import Equal, Recording, replay, run_again

PLAIN = frozenset(
    ["action", "adapter", "at", "author", "channel", "code", "decided_at", "deferred_until", "due_at", "intent", "kind", "language", "languages", "last_agent_at", "last_customer_at", "last_intent", "mime", "nobody", "opened_at", "outcome", "owner", "pin", "received_at", "requested_at", "scheme", "since", "status", "timezone", "type", "until", "vendor_time", "what"]
)
"""Fields whose texts are words of the system or the configuration; all others are replaced."""
LANGUAGE_TO_TEXT = frozenset(
    ["handover_requested", "agent_joined", "agent_left", "nobody_available", "closed", "engine_failed", "phrases", "engine_by_language"]
)
_NUMBER = re.compile(r"\+?\d{7,15}")
_RANDOM_ID = 16
"""Ids of profiles that are shorter than this are no random ones, and stay."""


class NotAnonymous(Exception):
    """The recording cannot be made anonymous; the text says why."""


def anonymous(recording: Recording) -> Recording:
    """Raises NotComplete, NotAnonymous."""
    if not isinstance(replay(recording), Equal):
        raise NotAnonymous("the session does not replay equal, so its steps cannot be done again with other words")
    names = _Names(_profile(recording))
    renamed = _renamed(recording, names)
    found = [redone.stumbled or redone.result for redone in run_again(renamed)]
    done = done_again(renamed)
    for before, after in zip(recording.steps, done.steps, strict=True):
        if _shape(any_from_json(before.result)) != _shape(any_from_json(after.result)):
            raise NotAnonymous(f"step {before.step} comes out otherwise with other words")
    return done
