"""The desk `phone`: turns become transfers of calls, and the lane hears how they end."""

from dataclasses import dataclass, field

import pytest

from m2n.adapters.desk import ConversationOver, DeskContext
from m2n.events import Action, DeskNotice, HandoverReason, Reply, Turn
from m2n.lanes import LaneRefused
from m2n.message import Address
from m2n.tenant import Connection, ConnectionKind
from services.handover.phone import replies
from services.handover.phone.adapter import Asked, PhoneDesk
from services.handover.phone.settings import PhoneDeskSettings, Target
from services.handover.phone.transfer import LINES_TOLD, WORDS_TOLD, Transfer
from tests.unit.builders import NOON, later
from tests.unit.test_desk_conversation import turn

CALL = Address(connection="acme-voice", channel="voice", to="CA7")
OWN = PhoneDeskSettings.model_validate({"transfer": {"kind": "dial", "number": "+15550100009"}}).transfer


@dataclass
class LiveCalls:
    own: Target | None = OWN
    state: Asked = Asked.WAITS
    kept: Transfer | None = None
    asked: list[tuple[str, Address, Transfer]] = field(default_factory=list)
    recalled: list[str] = field(default_factory=list)

    async def target(self, address: Address) -> Target | None:
        return self.own if address == CALL else None

    async def ask_transfer(self, tenant: str, address: Address, transfer: Transfer) -> tuple[Asked, Transfer]:
        self.asked.append((tenant, address, transfer))
        return self.state, self.kept or transfer

    async def recall(self, transfer: str, notice: DeskNotice) -> None:
        self.recalled.append(transfer)


@dataclass
class Setting:
    calls: LiveCalls = field(default_factory=LiveCalls)
    told: list[Reply] = field(default_factory=list)
    refuses: bool = False

    async def publish(self, reply: Reply) -> None:
        self.told.append(reply)
        if self.refuses:
            raise LaneRefused("the session is over")

    @property
    def desk(self) -> PhoneDesk:
        return PhoneDesk(self.calls, self.publish, lambda: NOON)


def context(**settings: object) -> DeskContext:
    return DeskContext(Connection(id="acme-phone", kind=ConnectionKind.DESK, adapter="phone", settings=settings), {})


def by_call(given: Turn, address: Address = CALL) -> Turn:
    facts = {"address": address, "handover_reason": HandoverReason.ASKED, "last_intent": "lost"}
    return given.model_copy(update={"session": given.session.model_copy(update=facts)})


async def test_a_turn_asks_for_a_transfer_with_the_context() -> None:
    at, given = Setting(), by_call(turn(3, 4))
    await at.desk.take(given, context())
    ((tenant, address, transfer),) = at.calls.asked
    assert (tenant, address, transfer.target, transfer.label) == (given.session.tenant, CALL, OWN, "our team")
    assert transfer.id == f"{given.session.session_id}:{given.session.epoch}"
    assert (transfer.context.reason, transfer.context.intent) == (HandoverReason.ASKED, "lost")
    assert 0 < len(transfer.context.lines) <= LINES_TOLD
    assert all(len(line.text) <= WORDS_TOLD for line in transfer.context.lines)
    assert transfer.session is not None
    assert transfer.session.newest_seq == given.lines[-1].seq
    assert at.told == []


async def test_the_desks_own_target_goes_before_the_connections() -> None:
    at = Setting()
    await at.desk.take(by_call(turn(3)), context(label="the shop", transfer={"kind": "enqueue", "queue": "shop"}))
    (_, _, transfer) = at.calls.asked[0]
    assert (transfer.label, transfer.target.kind) == ("the shop", "enqueue")


@pytest.mark.parametrize("address", [Address(connection="acme-whatsapp", channel="whatsapp_twilio", to="w"), CALL])
async def test_whom_nobody_can_transfer_the_bot_has_back(address: Address) -> None:
    at = Setting(LiveCalls(own=None))
    given = by_call(turn(3), address)
    with pytest.raises(ConversationOver):
        await at.desk.take(given, context())
    assert [(one.action, one.turn_id, one.epoch) for one in at.told] == [(Action.FAILED, given.id, given.session.epoch)]
    assert at.calls.asked == []


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(("answered", "action"), [(True, Action.END), (False, Action.RETURN)])
async def test_the_end_of_a_transfer_is_told_again(answered: bool, action: Action, refuses: bool) -> None:
    at, given = Setting(refuses=refuses), by_call(turn(3))
    await at.desk.take(given, context())
    ended = at.calls.asked[0][2].model_copy(update={"ended_at": later(60), "answered": answered})
    at.calls.state, at.calls.kept = Asked.OVER, ended
    with pytest.raises(ConversationOver):
        await at.desk.take(given, context())
    (reply,) = at.told
    assert (reply.action, reply.at, reply.epoch) == (action, later(60), given.session.epoch)
    assert reply == replies.ended(ended, later(60))


async def test_a_notice_recalls_the_transfer_of_its_epoch() -> None:
    at = Setting()
    notice = DeskNotice(id="n", tenant="acme", profile_id="P1", session_id="P1.1", epoch=2, what="cancelled", at=NOON)
    await at.desk.notice(notice)
    assert at.calls.recalled == ["P1.1:2"]


def test_a_transfer_that_no_session_waits_for_tells_nobody() -> None:
    assert OWN is not None
    own = Transfer(id="x", target=OWN, asked_at=NOON)
    assert (replies.joined(own, NOON), replies.ended(own, NOON)) == (None, None)
