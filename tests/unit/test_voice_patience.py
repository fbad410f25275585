"""Where a call is, and how long anybody waits: pure decisions."""

from typing import Any

import pytest

from m2n.message import Author
from services.channels.voice.calls import CallLine
from services.channels.voice.patience import (
    OnDelay,
    OnSilence,
    goes_to_phone,
    on_delay,
    on_silence,
    waits_for_human,
)
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step
from tests.unit.builders import NOON, tenant

DIAL = {"kind": "dial", "number": "+15550100009"}


def settings(**changes: Any) -> VoiceSettings:
    return VoiceSettings.model_validate({"account_sid": "AC" + "0" * 32, "number": "+15550100001"} | changes)


def line(text: str, author: Author = Author.SYSTEM) -> CallLine:
    return CallLine(key="k", message="k", text=text, author=author, at=NOON)


def test_a_step_stands_in_its_address() -> None:
    step = Step(turn=4, look=2, silences=1, transfers=1, resumed=3)
    address = step.address("https://m2n.example/voice/c", "wait", lost="4.1")
    query = dict(part.split("=") for part in address.partition("?")[2].split("&"))
    assert Step.read(query) == step
    assert query["lost"] == "4.1"
    assert Step().address("b", "turn") == "b/turn?turn=1"


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "٣", "99999999999", "1.5"])
def test_what_is_no_number_is_the_first_step(text: str) -> None:
    assert Step.read({"turn": text, "look": text}) == Step()


def test_every_answer_leads_on() -> None:
    step = Step(3, 2, silences=1, resumed=2)
    assert step.next_turn() == Step(4, 0, silences=1)
    assert step.next_look() == Step(3, 3, silences=1)
    assert len({step.key, step.next_turn().key, step.next_look().key}) == 3


@pytest.mark.parametrize(
    ("silences", "human", "changes", "what"),
    [
        (1, False, {}, OnSilence.NOT_HEARD),
        (2, False, {}, OnSilence.STILL_THERE),
        (3, False, {}, OnSilence.LISTEN),
        (3, False, {"transfer": DIAL}, OnSilence.TRANSFER),
        (29, False, {}, OnSilence.LISTEN),
        (30, False, {}, OnSilence.HANG_UP),
        (1, True, {}, OnSilence.LISTEN),
        (30, True, {"transfer": DIAL}, OnSilence.LISTEN),
        (150, True, {}, OnSilence.HANG_UP),
    ],
)
def test_silence(silences: int, human: bool, changes: dict[str, Any], what: OnSilence) -> None:
    assert on_silence(Step(silences=silences), settings(**changes), human) is what


def test_a_silent_caller_is_transferred_a_bounded_number_of_times() -> None:
    assert on_silence(Step(silences=3, transfers=2), settings(transfer=DIAL), False) is OnSilence.LISTEN


@pytest.mark.parametrize(
    ("look", "changes", "what"),
    [
        (1, {}, OnDelay.ONE_MOMENT),
        (2, {}, OnDelay.LOOK),
        (4, {}, OnDelay.ONE_MOMENT),
        (9, {}, OnDelay.APOLOGISE),
        (9, {"transfer": DIAL}, OnDelay.TRANSFER),
    ],
)
def test_delay(look: int, changes: dict[str, Any], what: OnDelay) -> None:
    assert on_delay(Step(look=look), settings(**changes)) is what


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        (None, False),
        (line("Ask me anything", Author.BOT), False),
        (line("I am asking a colleague to take over. Please stay with us for a moment.", Author.BOT), False),
        (line("Hello, Ada here", Author.AGENT), True),
        (line("I am asking a colleague to take over. Please stay with us for a moment."), True),
        (line("Sie sprechen jetzt mit Ada."), True),
        (line("I am sorry, nobody is free right now. I will keep helping as well as I can."), False),
    ],
)
def test_who_is_waited_for(last: CallLine | None, waits: bool) -> None:
    assert waits_for_human(last, tenant()) is waits


def test_whether_callers_are_handed_over_by_telephone() -> None:
    assert not goes_to_phone(tenant(), "voice")
    whole = tenant()
    desks = tuple(
        one.model_copy(update={"adapter": "phone"}) if one.id == "acme-desk" else one for one in whole.connections
    )
    assert goes_to_phone(tenant(connections=desks), "voice")


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC1"},
        {"number": "15550100001"},
        {"transfer": {"kind": "enqueue"}},
        {"transfer": {"kind": "enqueue", "queue": "q", "workflow_sid": "WW" + "0" * 32}},
        {"transfer": {"kind": "dial", "number": "911"}},
        {"transfer": {"kind": "fax"}},
        {"answer_within_s": 20},
        {"mode": "stream"},
        {"typo": 1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(**wrong)
