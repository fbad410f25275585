"""A call over a socket: a real server, and Twilio's side of the WebSocket spoken by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from m2n.events import Action
from m2n.message import TextContent
from services.channels.voice import relay, relay_frames, relay_talk
from services.channels.voice.calls import CallKey
from services.handover.phone.transfer import HandedOver, Transfer
from tests.served_app import served as app_served
from tests.unit.builders import NOON
from tests.unit.voice_doubles import ACCOUNT, CALL, CALLER, CONNECTION, TOKEN, VoiceWorld
from tests.waiting import until

KEY = CallKey("acme", CONNECTION, CALL)
SETUP: dict[str, Any] = {
    "type": "setup",
    "sessionId": "VX1",
    "callSid": CALL,
    "accountSid": ACCOUNT,
    "from": CALLER,
    "to": "+15550100001",
    "direction": "inbound",
    "callType": "PSTN",
    "callStatus": "RINGING",
    "parentCallSid": None,
    "customParameters": {},
}


@asynccontextmanager
async def served(world: VoiceWorld) -> AsyncIterator[None]:
    """The world's app on a free port, which becomes its public address."""
    try:
        async with app_served(world.app, "websockets-sansio") as world.site:
            yield
    finally:
        await world.telling.close()
        await world.http.aclose()


@dataclass
class Phone:
    """Twilio's end of the socket."""

    socket: ClientConnection

    async def sends(self, *frames: dict[str, Any] | str) -> None:
        for frame in frames:
            await self.socket.send(frame if isinstance(frame, str) else orjson.dumps(frame).decode())

    async def says(self, text: str, **more: Any) -> None:
        await self.sends({"type": "prompt", "voicePrompt": text, "lang": "en-US", "last": True} | more)

    async def frame(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return orjson.loads(await self.socket.recv())

    async def hears(self) -> str:
        """The next whole utterance."""
        tokens: list[str] = []
        while True:
            frame = await self.frame()
            assert frame["type"] == "text", frame
            tokens.append(frame["token"])
            if frame["last"]:
                return "".join(tokens)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VoiceWorld]:
    monkeypatch.setattr(relay, "LOOK_AGAIN_S", 0.05)
    made = VoiceWorld(line={"mode": "relay", "languages": {"en": {}, "de": {}}, "answer_within_s": 8, "silence_s": 30})
    async with served(made):
        yield made


@asynccontextmanager
async def phoned(world: VoiceWorld, token: str = TOKEN, query: str = "", **setup: Any) -> AsyncIterator[Phone]:
    path = f"/voice/{CONNECTION}/relay"
    address = "ws" + world.site.removeprefix("http") + path
    parameters = dict(part.split("=") for part in query.removeprefix("?").split("&") if part)
    headers = {"x-twilio-signature": RequestValidator(token).compute_signature(address, parameters)} if token else {}
    async with connect(address + query, additional_headers=headers, proxy=None) as opened:
        phone = Phone(opened)
        await phone.sends(SETUP | setup)
        yield phone


async def bring(world: VoiceWorld, text: str, number: int = 1, **more: Any) -> None:
    assert (await world.brings(text, number, **more)).status_code == 200


async def test_words_go_out_and_answers_come_in(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await phone.sends({"type": "connected"})
        await phone.says("When are", last=False)
        await phone.says("When are you open?")
        await until(lambda: world.kept)
        await bring(world, "Always.")
        assert await phone.hears() == "Always."
        await phone.says("And on Sundays?")
        await until(lambda: len(world.kept) == 2)
    assert [message.content for message in world.kept] == [
        TextContent(text="When are you open?"),
        TextContent(text="And on Sundays?"),
    ]
    assert [message.vendor_message_id for message in world.kept] == [f"{CALL}#VX1.1", f"{CALL}#VX1.2"]
    assert world.kept[0].identities[0].value == CALLER


async def test_a_long_answer_is_spoken_token_by_token(world: VoiceWorld) -> None:
    text = "A sentence of some words. " * 30
    async with phoned(world) as phone:
        await bring(world, text.strip())
        frames = [await phone.frame() for _ in range(3)]
        assert [frame["last"] for frame in frames] == [False, False, True]
        assert "".join(frame["token"] for frame in frames).split() == text.split()
        assert {frame["lang"] for frame in frames} == {"en-US"}


@pytest.mark.parametrize("token", ["54321", ""])
async def test_only_twilio_opens_the_socket(world: VoiceWorld, token: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with phoned(world, token):
            pass
    assert refused.value.response.status_code == 403


async def test_parameters_of_the_address_are_signed_as_a_forms(world: VoiceWorld) -> None:
    async with phoned(world, query="?a=1&b=2") as phone:
        await bring(world, "Hello.")
        assert await phone.hears() == "Hello."


@pytest.mark.parametrize(
    "first", [{"accountSid": "AC" + "9" * 32}, {"type": "prompt", "voicePrompt": "hi"}, {"callSid": ""}]
)
async def test_what_does_not_begin_with_a_setup_of_this_account_is_closed(
    world: VoiceWorld, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SETUP_WITHIN_S", 0.2)
    with pytest.raises(ConnectionClosed) as closed:
        async with phoned(world, **first) as phone:
            await phone.frame()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_frames_that_cannot_be_read_are_left_out(world: VoiceWorld) -> None:
    bad: list[dict[str, Any] | str] = [
        "no JSON", "[]", '{"type":"text"}', '{"type":"prompt"}', '{"type":"dtmf","digit":"11"}',
        '{"type":"error","description":"Invalid message"}', '{"type":"prompt","voicePrompt":"  ","last":true}',
        '{"type":"prompt","voicePrompt":"' + "x" * relay_frames.MOST_FRAME + '"}',
    ]  # fmt: skip
    async with phoned(world) as phone:
        await phone.sends(*bad)
        await phone.says("hello")
        await until(lambda: world.kept)
    assert [message.content for message in world.kept] == [TextContent(text="hello")]


async def test_an_interruption_is_remembered_and_the_rest_of_the_answer_left_out(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await bring(world, "I am sorry to hear that.")
        await phone.hears()
        heard = {"utteranceUntilInterrupt": "I am so", "durationUntilInterruptMs": 460}
        await phone.sends({"type": "interrupt", **heard})
        await until(lambda: "cut_until" in world.document())
        await bring(world, "The rest of it.", 2)
        await phone.says("stop")
        await until(lambda: world.kept)
        world.now += timedelta(seconds=5)
        await bring(world, "What is it?", 3, at=world.now)
        assert await phone.hears() == "What is it?"
    lines = {line["key"]: (line["state"], line.get("heard")) for line in world.document()["lines"]}
    assert lines["s.1"] == ("cut", "I am so")
    assert lines["s.2"][0] == "queued"
    assert lines["s.3"] == ("said", None)


async def test_of_several_messages_those_behind_the_interruption_were_not_heard(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        for number in (1, 2, 3):
            await bring(world, f"Sentence {number}.", number)
            await phone.hears()
        await phone.sends({"type": "interrupt", "utteranceUntilInterrupt": "Sentence 1. Sentence"})
        await until(lambda: "cut_until" in world.document())
    states = [(line["state"], line.get("heard")) for line in world.document()["lines"]]
    assert states == [("said", None), ("cut", "Sentence"), ("cut", "")]


async def test_keys_make_a_number_and_one_key_a_choice(world: VoiceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_talk, "KEYS_WITHIN_S", 0.3)
    async with phoned(world) as phone:
        await phone.sends(*({"type": "dtmf", "digit": digit} for digit in "12#"))
        await phone.sends(*({"type": "dtmf", "digit": digit} for digit in "34"))
        await until(lambda: len(world.kept) == 2)
        await bring(world, "Pick:\n\n1. Bikes\n2. Tyres")
        assert await phone.hears() == "Pick: For Bikes, press 1. For Tyres, press 2."
        monkeypatch.setattr(relay_talk, "KEYS_WITHIN_S", 30)
        await phone.sends({"type": "dtmf", "digit": "2"})
        await until(lambda: len(world.kept) == 3)
    assert [message.content for message in world.kept] == [TextContent(text=text) for text in ("12", "34", "2")]


async def test_the_language_that_was_understood_is_the_callers(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await phone.says("Guten Tag", lang="de-DE")
        await until(lambda: world.kept)
        await bring(world, "Hallo.")
        assert (await phone.frame())["lang"] == "de-DE"
    assert world.kept[0].language == "de"
    assert world.document()["language"] == "de"


async def test_a_socket_that_is_opened_again_says_nothing_twice(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await bring(world, "One.")
        await phone.hears()
    await bring(world, "Two.", 2)
    async with phoned(world, sessionId="VX2") as phone:
        assert await phone.hears() == "Two."


async def test_a_transfer_ends_the_session_after_the_sentence(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await bring(world, "A colleague takes over.", author="system")
        session = HandedOver(tenant="acme", profile_id="P1", session_id="P1.1", epoch=2)
        target = {"kind": "dial", "number": "+15550100009"}
        values = {"id": "P1.1:2", "target": target, "session": session, "asked_at": NOON}
        await world.calls.ask_transfer(KEY, Transfer.model_validate(values))
        assert await phone.hears() == "A colleague takes over."
        ended = await phone.frame()
    assert ended["type"] == "end"
    assert orjson.loads(ended["handoffData"]) == {"reason": "transfer"}
    answer = await world.asks(f"/voice/{CONNECTION}/relay-end?turn=1", HandoffData=ended["handoffData"])
    assert "<Dial" in answer.text
    async with phoned(world, sessionId="VX2"):
        await until(lambda: world.lane.told)
    assert [one.action for one in world.lane.told] == [Action.RETURN]


async def test_a_late_answer_is_announced_then_given_up(world: VoiceWorld) -> None:
    world.line |= {"answer_within_s": 0.3, "give_up_after_s": 1}
    async with phoned(world) as phone:
        await phone.says("open?")
        assert await phone.hears() == "One moment, please."
        assert await phone.hears() == "I am sorry, I have no answer yet. Please try it once more."


async def test_a_caller_whom_nobody_answers_is_transferred(world: VoiceWorld) -> None:
    transfer = {"kind": "dial", "number": "+15550100009"}
    world.line |= {"answer_within_s": 0.3, "give_up_after_s": 1, "transfer": transfer}
    async with phoned(world) as phone:
        await phone.says("open?")
        assert await phone.hears() == "One moment, please."
        ended = await phone.frame()
    assert orjson.loads(ended["handoffData"]) == {"reason": "no-answer"}
    answer = await world.asks(f"/voice/{CONNECTION}/relay-end?turn=1", HandoffData=ended["handoffData"])
    assert "<Dial" in answer.text


async def test_a_silent_caller_is_asked_and_then_hung_up_on(world: VoiceWorld, time: "Time") -> None:
    async with phoned(world) as phone:
        await looked_twice(world)
        for _ in range(2):
            time.ahead_s += 35
            assert await phone.hears() == "Are you still there?"
        time.ahead_s += 180
        ended = await phone.frame()
    assert orjson.loads(ended["handoffData"]) == {"reason": "goodbye"}


async def test_a_caller_who_talks_with_an_agent_is_left_in_peace(world: VoiceWorld, time: "Time") -> None:
    async with phoned(world) as phone:
        await bring(world, "This is Ada.", author="agent")
        await phone.hears()
        await phone.says("I lost my bike")
        await until(lambda: world.kept)
        time.ahead_s += 120
        await looked_twice(world)
        await bring(world, "Which one?", 2, author="agent")
        assert await phone.hears() == "Which one?"


@dataclass
class Time:
    """The time of the talk, put ahead."""

    ahead_s: float = 0

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(relay_talk, "_now", made.now)
    return made


async def looked_twice(world: VoiceWorld) -> None:
    before = world.documents.reads
    await until(lambda: world.documents.reads >= before + 2)


async def test_words_that_could_not_be_kept_are_asked_for_again(
    world: VoiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.channels.voice.telling.KEEP_WITHIN_S", 0.1)
    world.queue_away = True
    async with phoned(world) as phone:
        await phone.says("open?")
        assert await phone.hears() == "Sorry, I lost what you said. Please say it again."


async def test_a_database_that_is_away_for_a_while_breaks_no_call(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        world.documents.away = True
        await phone.says("open?")
        await until(lambda: world.kept)
        world.documents.away = False
        await bring(world, "Always.")
        assert await phone.hears() == "Always."


async def test_a_caller_who_hung_up_elsewhere_closes_the_socket(world: VoiceWorld) -> None:
    async with phoned(world) as phone:
        await phone.says("open?")
        await until(lambda: world.kept)
        await world.calls.end(KEY, "completed")
        with pytest.raises(ConnectionClosed):
            await phone.frame()
