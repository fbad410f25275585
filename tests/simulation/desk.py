"""An agent desk: takes turns, and agents who accept, speak, end, give back, or stay away. Its memory is durable."""

import asyncio
from dataclasses import dataclass, field

from m2n.dapr import DaprUnavailable
from m2n.events import Action, DeskNoted, DeskNotice, Reply, SessionFacts, Turn
from m2n.lanes import LaneAnswer, LaneFault, told_lane
from m2n.message import Author, TextContent
from tests.simulation.ledger import Ledger, serials
from tests.simulation.sidecar import Sidecar
from tests.simulation.topics import Topics
from tests.simulation.world import START, World

Key = tuple[str, int]


@dataclass
class Conversation:
    facts: SessionFacts
    closed: bool = False
    ended_by: Reply | None = None
    """How the agent ended it; told again when a turn shows that the lane has not heard of it."""
    seen: set[int] = field(default_factory=set)
    unanswered: list[int] = field(default_factory=list)
    says: int = 0

    @property
    def key(self) -> Key:
        return self.facts.session_id, self.facts.epoch


class Desk:
    def __init__(self, world: World, topics: Topics, ledger: Ledger, sidecar: Sidecar) -> None:
        self._world, self._topics, self._ledger, self._sidecar = world, topics, ledger, sidecar
        self._conversations: dict[Key, Conversation] = {}
        self._closed_unopened: set[Key] = set()
        self._away = world.plan.choice((0.0, 0.3, 0.7))

    async def event(self, event: Turn | DeskNotice) -> None:
        if isinstance(event, DeskNotice):
            return self._notice(event)
        key = (event.session.session_id, event.session.epoch)
        if key in self._closed_unopened:
            return
        known = self._conversations.get(key)
        if known is None:
            known = self._conversations[key] = Conversation(event.session)
            self._opened(known)
        if known.closed:
            if known.ended_by:
                self._world.task(self._tell(known.ended_by))
            return
        self._take(known, event)

    def _take(self, known: Conversation, turn: Turn) -> None:
        for line in turn.lines:
            if line.seq not in known.seen:
                known.seen.add(line.seq)
                known.unanswered += serials(line)
                self._ledger.taken_by_desk(*known.key, serials(line))
        taken = _reply(known, f"{turn.id}.taken", Action.TAKEN, turn_id=turn.id)
        self._world.later(self._world.plan.random() * 0.5, self._sidecar.tell, taken)

    def _notice(self, notice: DeskNotice) -> None:
        key = (notice.session_id, notice.epoch)
        known = self._conversations.get(key)
        self._world.say("desk", f"{notice.id}")
        if known:
            self._close(known)
            if notice.what == "cancelled":
                self._ledger.given_back(*known.key, known.unanswered)
        else:
            self._closed_unopened.add(key)
        noted = DeskNoted(tenant=notice.tenant, profile_id=notice.profile_id, notice_id=notice.id)
        self._world.later(0.01, self._sidecar.tell, noted)

    def _close(self, known: Conversation) -> None:
        known.closed = True
        self._ledger.agent_left(*known.key)

    # -- agents ------------------------------------------------------------------------------------------------

    def _opened(self, known: Conversation) -> None:
        plan = self._world.plan
        if plan.random() >= self._away:
            self._world.later(plan.choice((1, 20, 110, 119.9, 125, 300)), self._start_agent, known)
        for older in self._conversations.values():
            if older.key[0] == known.key[0] and older.key[1] < known.key[1] and plan.random() < 0.5:
                self._world.later(plan.random() * 3, self._too_late, older)

    def _start_agent(self, known: Conversation) -> None:
        if not known.closed:
            self._world.task(self._agent(known))

    async def _agent(self, known: Conversation) -> None:
        """Accepts, answers a few times, then leaves. A refusal by the lane closes the conversation."""
        plan = self._world.plan
        name = f"{known.key[0]}:{known.key[1]}"
        if plan.random() < 0.9 and not await self._act(known, _reply(known, f"{name}.accept", Action.AGENT_JOINED)):
            return
        for _ in range(plan.randint(0, 3)):
            await asyncio.sleep(plan.choice((0.2, 3, 30, 400)))
            if not await self._say(known, name):
                return
        await asyncio.sleep(plan.choice((0.1, 5, 60)))
        if plan.random() < 0.92:
            await self._leave(known, name)

    async def _say(self, known: Conversation, name: str) -> bool:
        """Also says something when there is nothing to answer."""
        if known.closed:
            return False
        named, known.unanswered = known.unanswered, []
        known.says += 1
        words = " ".join(f"s{serial}" for serial in named)
        text = f"agent e{known.key[1]} : {words}"
        said = _reply(known, f"{name}.say.{known.says}", Action.SAY, text=text)
        return await self._act(known, said)

    async def _leave(self, known: Conversation, name: str) -> None:
        plan = self._world.plan
        if known.closed:
            return
        self._close(known)
        action = plan.choice((Action.END, Action.RETURN))
        known.ended_by = _reply(known, f"{name}.{action.value}", action)
        answer = await self._tell(known.ended_by)
        if action is Action.RETURN and answer.result != "refused":
            self._ledger.given_back(*known.key, known.unanswered)
        if plan.random() < 0.3:
            self._world.later(plan.choice((1, 30, 200)), self._too_late, known)

    def _too_late(self, known: Conversation) -> None:
        """An agent's words for an epoch that is over."""
        known.says += 1
        name, epoch = f"{known.key[0]}:{known.key[1]}", known.key[1]
        self._world.task(
            self._tell(_reply(known, f"{name}.late.{known.says}", Action.SAY, text=f"agent e{epoch} : late"))
        )

    async def _act(self, known: Conversation, reply: Reply) -> bool:
        answer = await self._tell(reply)
        if answer.result == "refused":
            self._close(known)
        elif not known.closed:
            self._ledger.agent_joined(*known.key)
        return answer.result != "refused"

    async def _tell(self, reply: Reply) -> LaneAnswer:
        """The agent's client repeats the same call until the lane has answered."""
        pause_s = 0.5
        while True:
            try:
                return await self._told(reply)
            except (DaprUnavailable, LaneFault):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 60)

    async def _told(self, reply: Reply) -> LaneAnswer:
        return await told_lane(self._sidecar, reply.tenant, reply.profile_id, "reply", reply)  # pyright: ignore[reportArgumentType]


def _reply(known: Conversation, name: str, action: Action, *, turn_id: str | None = None, text: str = "") -> Reply:
    facts = known.facts
    return Reply(
        id=name if turn_id is None else f"{name}.{facts.epoch}",
        tenant=facts.tenant,
        profile_id=facts.profile_id,
        session_id=facts.session_id,
        epoch=facts.epoch,
        turn_id=turn_id,
        taken_seq=max(known.seen, default=None) if turn_id is None else None,
        action=action,
        author=Author.AGENT,
        author_name="Ann",
        messages=(TextContent(text=text),) if text else (),
        at=facts.history[-1].at if facts.history else START,
    )
