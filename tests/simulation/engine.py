"""An engine that names the customer's lines. It is never the fault's place itself; its turns and replies are lost,
doubled and late on their way."""

from m2n.events import Action, HandoverReason, Reply, Turn
from m2n.message import Author, TextContent
from tests.simulation.ledger import serials
from tests.simulation.sidecar import Sidecar
from tests.simulation.world import World


class Engine:
    def __init__(self, world: World, sidecar: Sidecar) -> None:
        self._world, self._sidecar = world, sidecar
        plan = world.plan
        self._silent = plan.choice((0.0, 0.0, 0.05, 0.3))
        self._hands_over = plan.choice((0.0, 0.05, 0.2))
        self._late = plan.choice((0.0, 0.1, 0.3))
        self._ends = plan.choice((0.0, 0.1))
        self._wordy = plan.choice((1, 1, 3))

    async def turn(self, turn: Turn) -> None:
        plan = self._world.plan
        if plan.random() < self._silent and not self._world.faults.stopped:
            return
        pause_s = plan.uniform(8, 45) if plan.random() < self._late else plan.random() * 1.5
        reply = self._answer(turn)
        self._world.say("engine", f"{reply.id}: {reply.action.value} in {pause_s:.1f} s")
        self._world.later(pause_s, self._sidecar.tell, reply)

    def _answer(self, turn: Turn) -> Reply:
        plan = self._world.plan
        if plan.random() < self._hands_over:
            action = plan.choice((Action.HAND_OVER, Action.FAILED, Action.ANSWER))
            reason = HandoverReason.ENGINE if action is not Action.FAILED else None
            fallback = action is Action.ANSWER
            if action is not Action.ANSWER:
                return _reply(turn, action, Author.BOT, reason=reason, because="it cannot")
            return _reply(turn, action, Author.BOT, texts=(_words(turn),), reason=reason, fallback=fallback)
        ends, more = plan.random() < self._ends, range(1, plan.randint(1, self._wordy))
        texts = (_words(turn), *(f"bot e{turn.session.epoch} part {part}" for part in more))
        return _reply(turn, Action.ANSWER, Author.BOT, texts=texts, end_session=ends)


def _words(turn: Turn) -> str:
    named = " ".join(f"s{serial}" for line in turn.lines for serial in serials(line))
    return f"bot e{turn.session.epoch} {turn.id}: {named}"


def _reply(turn: Turn, action: Action, author: Author, texts: tuple[str, ...] = (), **more: object) -> Reply:
    session = turn.session
    values = {
        "id": f"{turn.id}.engine.{session.epoch}",
        "tenant": session.tenant,
        "profile_id": session.profile_id,
        "session_id": session.session_id,
        "epoch": session.epoch,
        "turn_id": turn.id,
        "action": action,
        "author": author,
        "messages": tuple(TextContent(text=text) for text in texts),
        "at": turn.received_at,
    }
    return Reply.model_validate(values | more)
