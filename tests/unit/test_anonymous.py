"""A recording without anybody's words and numbers, that still replays."""

from pathlib import Path

import pytest
from pydantic_core import from_json as any_from_json

from m2n.message import LocationContent
from services.sessions import domain
from services.sessions.anonymous import NotAnonymous, Replacements, anonymised
from services.sessions.lane import Session
from services.sessions.recording_file import read_recording, write_recording
from services.sessions.replay import Equal, replay
from tests.golden.recorder import recorder

FILES = sorted((Path(__file__).parents[1] / "golden" / "sessions").glob("*.json"))
PROFILE = "01JNV8Z4Q0W3X5Y7R9T2K6M8PB"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_golden_session_can_be_made_anonymous_and_replays_equal(path: Path) -> None:
    recording = read_recording(path)
    done = anonymised(recording)
    assert replay(done) == Equal(len(recording.steps))
    assert [record.kind for record in done.steps] == [record.kind for record in recording.steps]


async def test_no_word_number_name_or_place_is_left(tmp_path: Path) -> None:
    private = ["zebra", "lion", "15550100002", "Acme", "acme", "Ada", "47.11", "81.5", "human", "SM000"]
    with recorder(texts={"closed": {"en": "zebra"}, "agent_joined": {"en": "zebra {agent}"}}) as customer:
        await customer.says("zebra lion")
        await customer.says("", LocationContent(latitude=47.11, longitude=81.5, name="lion"))
        await customer.hands_over()
        await customer.agent(domain.Action.AGENT_JOINED)
        await customer.agent(domain.Action.SAY, "zebra lion")
        recording = customer.recording()
    file = tmp_path / "session.json"
    write_recording(file, anonymised(recording))
    text = file.read_text(encoding="utf-8")
    left = [word for word in private if word in text.replace('"customer_asked"', "").replace('"human"', "")]
    assert left == []
    said = any_from_json(anonymised(recording).steps[-1].event or "")["messages"][0]["text"]
    assert said == any_from_json(anonymised(recording).steps[0].event or "")["content"]["text"]


def test_the_same_is_replaced_by_the_same_and_keeps_its_length_and_form() -> None:
    other = Replacements(PROFILE)
    assert other.of("whatsapp:+15550100002", "to") == "whatsapp:+00000000001"
    assert other.of("+15550100002", "value") == "+00000000001"
    assert other.of(f"{PROFILE}.1.t2.engine.1", "id") == "P1.1.t2.engine.1"
    assert other.of(f"{PROFILE}:2.say", "id") == "P1:2.say"
    assert other.of("with many words", "text") == "text-2xxxxxxxxx"
    assert other.of("You talk to {agent}.", "en") == "en-3xxxxxxxx {agent}"
    assert other.of(["hello", "hello"], "title") == ["title-4", "title-4"]
    assert other.of({"type": "text", "latitude": 1.5, "seq": 3}) == {"type": "text", "latitude": 0.0, "seq": 3}


def test_what_does_not_replay_equal_is_not_made_anonymous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain.Step, "_say_system", lambda *_, **__: None)
    with pytest.raises(NotAnonymous, match="does not replay equal"):
        anonymised(read_recording(FILES[0]))


async def test_words_that_decide_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's lane decides nothing by a customer's words; a rule that does must not be anonymised wrongly."""
    usual = domain.Step._open_turn

    def unless_it_is_about_zebras(step: domain.Step, session: Session) -> None:
        if "zebra" not in str(session.pending):
            usual(step, session)

    monkeypatch.setattr(domain.Step, "_open_turn", unless_it_is_about_zebras)
    with recorder() as customer:
        await customer.says("zebra")
        recording = customer.recording()
    with pytest.raises(NotAnonymous, match="step 1 comes out otherwise"):
        anonymised(recording)
