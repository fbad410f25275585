"""The record of one step of a lane: what it was given, and what came of it."""

from typing import Literal

from m2n.message import Model, Moment

Kind = Literal["accept", "reply", "delivered", "noted", "consent", "tick"]


class StepRecord(Model):
    """Step ``step`` of a lane. ``event``, ``before`` and ``result`` are JSON texts.

    A lane's state holds its newest records, and it has to stay readable whatever the shapes in them become.
    """

    step: int
    """Counts up through the lane's life."""
    at: Moment
    """The time that the step was given."""
    after: Moment | None = None
    """The time of the lane's step before: a record that was made on a lost state does not fit its neighbour."""
    kind: Kind
    sessions: tuple[str, ...] = ()
    """The sessions that were open before and after the step."""
    tenant_version: int
    tenant_digest: str
    event: str | None = None
    before: str | None = None
    """The lane's state before the step, where a session begins."""
    result: str
