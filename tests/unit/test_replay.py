"""Recorded sessions run again: equal with the present rules, and the first difference is named with other ones."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json as any_from_json
from typer.testing import CliRunner

from m2n import texts
from m2n.cli import app
from services.sessions import domain
from services.sessions.recording_file import read_recording, write_recording
from services.sessions.replay import Difference, NotComplete, Recording, done_again, replay
from services.sessions.step_record import StepRecord
from tests.golden.recorder import recorder
from tests.golden.scenarios import SCENARIOS

GOLDEN = Path(__file__).parents[1] / "golden" / "sessions"
FILES = sorted(GOLDEN.glob("*.json"))
HANDOVER = GOLDEN / "actor_handover_agent_speaks_and_ends.json"


def difference(path: Path) -> Difference:
    found = replay(read_recording(path))
    assert isinstance(found, Difference)
    return found


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["replay", *map(str, arguments)], env={"COLUMNS": "300"})
    return result.exit_code, result.output


@pytest.fixture
def another_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(texts._BUILT_IN, "agent_joined", {"en": "Here is {agent}."})


# -- golden files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_session_comes_out_as_it_was_recorded(path: Path) -> None:
    recording = read_recording(path)
    assert str(replay(recording)) == f"equal: {len(recording.steps)} steps"


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_actor_records_what_the_golden_file_says(name: str) -> None:
    scenario = SCENARIOS[name]
    with recorder(**scenario.tenant) as customer:
        await scenario.play(customer)
        made, kept = customer.recording(scenario.session_id), read_recording(GOLDEN / f"actor_{name}.json")
    assert [_essence(record) for record in made.steps] == [_essence(record) for record in kept.steps]


def _essence(record: StepRecord) -> tuple[Any, ...]:
    """Without the shapes of the lane and the tenant, which may grow without changing what happens."""
    return record.step, record.at, record.after, record.kind, record.sessions, record.event, record.result


def test_the_golden_sessions_have_every_kind_of_step_and_of_result() -> None:
    steps = [record for path in FILES for record in read_recording(path).steps]
    assert {record.kind for record in steps} == {"accept", "reply", "delivered", "noted", "tick"}
    assert {any_from_json(record.result)["result"] for record in steps} == {"applied", "duplicate", "refused"}


# -- differences -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("another_sentence")
def test_another_sentence_is_named_with_step_event_and_field() -> None:
    found = difference(HANDOVER)
    assert (found.step.step, found.field) == (6, "lines[0].content.text")
    assert (found.recorded, found.now) == ("You are now talking to Ada.", "Here is Ada.")
    assert "step 6 (number 6 of 17): reply 'agent_joined' of agent for epoch 2" in str(found)


def test_another_constant_is_found_where_it_first_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "DEFER_FIRST_S", 4.0)
    found = difference(GOLDEN / "actor_deliveries_refused_uncertain_and_put_off.json")
    assert (found.step.kind, found.field) == ("delivered", "put_off_until")
    assert "delivery report (P1.1.2 accepted, the rest later)" in str(found)


def test_a_rule_that_lets_a_late_reply_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain.Step, "_why_refused", lambda *_: "")
    found = difference(GOLDEN / "actor_duplicates_and_late_replies.json")
    assert (found.step.step, found.field, found.recorded, found.now) == (5, "result", "refused", "applied")


def test_a_rule_that_says_nothing_where_it_spoke_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain.Step, "_say_system", lambda *_, **__: None)
    found = difference(GOLDEN / "actor_nobody_accepts_in_time.json")
    assert (found.step.step, found.field) == (2, "session.next_seq")


def test_code_that_fails_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setitem(domain._ACTIONS, domain.Action.AGENT_JOINED, broken)
    found = difference(HANDOVER)
    assert (found.step.step, found.field) == (6, "step")
    assert "fails: KeyError" in str(found)


def test_an_event_that_is_not_readable_any_more_is_a_difference() -> None:
    recording = read_recording(HANDOVER)
    first = recording.steps[0]
    unreadable = first.model_copy(update={"event": (first.event or "").replace('"type":"text"', '"type":"telegram"')})
    found = replay(_with_steps(recording, (unreadable, *recording.steps[1:])))
    assert isinstance(found, Difference)
    assert found.field == "event"
    assert "content: expected" in str(found.now)


# -- what is not complete --------------------------------------------------------------------------------------


def _with_steps(recording: Recording, steps: tuple[Any, ...]) -> Recording:
    return Recording(recording.tenant, recording.session_id, steps, recording.tenants)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (lambda steps: steps[:3] + steps[4:], r"missing: step 4 \(after step 3 comes step 5\)"),
        (lambda steps: steps[:3] + steps[6:], r"missing: step 4 to 6 \(after step 3 comes step 7\)"),
        (lambda steps: steps[1:], "the beginning is missing.*the first here is 2"),
        (lambda steps: (*steps[:2], steps[0]), "out of order: after step 2 comes step 1"),
        (lambda steps: (), "no steps"),
        (lambda steps: (*steps[:3], steps[3].model_copy(update={"after": steps[0].at})), "made on a lost state"),
    ],
)
def test_a_recording_that_is_not_complete_is_refused_in_clear_words(
    steps: Callable[[Any], tuple[Any, ...]], words: str
) -> None:
    recording = read_recording(HANDOVER)
    with pytest.raises(NotComplete, match=words):
        replay(_with_steps(recording, steps(recording.steps)))


def test_a_tenant_that_is_missing_is_said() -> None:
    recording = read_recording(HANDOVER)
    with pytest.raises(NotComplete, match="the tenant's version 1, used by step 1, is missing"):
        replay(Recording(recording.tenant, recording.session_id, recording.steps, {}))


# -- the command -----------------------------------------------------------------------------------------------


def test_the_command_says_equal_for_each_file() -> None:
    code, said = run("--file", *FILES)
    assert code == 0
    assert [": equal: " in line for line in said.splitlines()] == [True] * len(FILES)


@pytest.mark.usefixtures("another_sentence")
def test_the_command_explains_a_difference_and_exits_with_1() -> None:
    code, said = run("--file", HANDOVER)
    assert code == 1
    assert 'recorded: "You are now talking to Ada."' in said
    assert 'now:      "Here is Ada."' in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "cannot be read as JSON"),
        ('{"v": 2}', "expected a recording with v: 1"),
        ('{"v": 1}', "a part is missing"),
        ('{"v": 1, "tenant": "t", "session": "s", "tenants": {}, "steps": [{"step": "x"}]}', "steps.*step: expected"),
    ],
)
def test_a_file_that_is_no_recording_exits_with_2(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "session.json"
    if content is not None:
        path.write_text(content)
    code, said = run("--file", path)
    assert code == 2
    assert said.startswith(f"{path}: ")
    assert re.search(words, said)


@pytest.mark.parametrize("options", [("x", "y", "--save", "f"), ("x", "--anonymous"), ("x", "--renew"), ("--file",)])
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...]) -> None:
    code, said = run(*options)
    assert (code, "expected" in said) == (2, True)


@pytest.mark.usefixtures("another_sentence")
def test_renewed_files_say_what_the_present_code_does(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    write_recording(path, read_recording(HANDOVER))
    assert run("--file", path, "--renew")[0] == 1
    assert run("--file", path) == (0, f"{path}: equal: 17 steps\n")
    assert "Here is Ada." in path.read_text(encoding="utf-8")


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    for path in FILES:
        write_recording(tmp_path / "session.json", read_recording(path))
        assert (tmp_path / "session.json").read_bytes() == path.read_bytes()
    assert done_again(read_recording(HANDOVER)) == read_recording(HANDOVER)
