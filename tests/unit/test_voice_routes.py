"""Twilio's requests during a call: what is kept, what is said, and what the caller hears when something fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import orjson
import pytest

from m2n.events import Action, DeskNotice, Reply
from m2n.message import CallContent, ReceiptStatus, TextContent
from m2n.tenant import Connection, ConnectionKind
from services.channels.voice import talk, waiting
from services.channels.voice.calls import QUIET, CallKey
from services.handover.phone.transfer import HandedOver, Transfer
from services.simulator.voice.grammar import read
from tests.unit.builders import NOON, tenant
from tests.unit.voice_doubles import CALL, CONNECTION, VoiceWorld, brought_later, call_fields

V = f"/voice/{CONNECTION}"
KEY = CallKey("acme", CONNECTION, CALL)
DIAL = {"kind": "dial", "number": "+15550100009"}
HANDOVER = "I am asking a colleague to take over. Please stay with us for a moment."


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VoiceWorld]:
    monkeypatch.setattr(waiting, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(talk, "BACK_WITHIN_S", 0.5)
    made = VoiceWorld()
    yield made
    await made.telling.close()
    await made.http.aclose()


def verbs(answer: httpx.Response) -> list[Element]:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    return read(answer.text)


def heard(answer: httpx.Response) -> list[str]:
    return [say.text or "" for verb in verbs(answer) for say in verb.iter("Say")]


def leads_to(answer: httpx.Response) -> str:
    """Path and query of where the last verb leads."""
    last = verbs(answer)[-1]
    return (last.get("action") or last.text or "").removeprefix("https://m2n.example")


async def ask_transfer(world: VoiceWorld, target: dict[str, Any] = DIAL, **changes: Any) -> Transfer:
    session = HandedOver(tenant="acme", profile_id="P1", session_id="P1.1", epoch=2, newest_seq=3)
    values = {"id": "P1.1:2", "target": target, "label": "the shop", "session": session, "asked_at": NOON} | changes
    kept = await world.calls.ask_transfer(KEY, Transfer.model_validate(values))
    assert kept is not None
    return kept


# -- turns ---------------------------------------------------------------------------------------------------------


async def test_words_are_kept_and_the_answer_is_said(world: VoiceWorld) -> None:
    async with brought_later(world, "Always."):
        answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="When are you open?", Confidence="0.2")
    assert heard(answer) == ["Always."]
    assert leads_to(answer) == f"{V}/turn?turn=2"
    (kept,) = world.kept
    assert kept.content == TextContent(text="When are you open?")
    assert kept.vendor_message_id == f"{CALL}#1"


async def test_messages_that_come_one_by_one_are_one_answer(world: VoiceWorld) -> None:
    async with brought_later(world, "One."), brought_later(world, "Two.", 0.15, number=2):
        answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="hello")
    assert heard(answer) == ["One.", "Two."]


async def test_a_repeated_request_keeps_the_same_words_and_says_the_same_again(world: VoiceWorld) -> None:
    await world.brings("Always.")
    answers = [await world.asks(f"{V}/turn?turn=1", SpeechResult="open?") for _ in range(2)]
    assert answers[0].text == answers[1].text
    assert heard(answers[0]) == ["Always."]
    assert {message.vendor_message_id for message in world.kept} == {f"{CALL}#1"}


async def test_what_was_said_is_not_said_again_at_the_next_step(world: VoiceWorld) -> None:
    await world.brings("Always.")
    await world.asks(f"{V}/turn?turn=1", SpeechResult="open?")
    answer = await world.asks(f"{V}/turn?turn=2", SpeechResult="what?")
    assert heard(answer) == ["One moment, please."]
    await world.telling.close()
    assert [(one.message_id, one.status) for one in world.receipts] == [("s.1", ReceiptStatus.DELIVERED)]


async def test_while_there_is_no_answer_the_caller_waits_and_then_hears_it(world: VoiceWorld) -> None:
    first = await world.asks(f"{V}/turn?turn=1", SpeechResult="open?")
    assert (heard(first), leads_to(first)) == (["One moment, please."], f"{V}/wait?turn=1&look=1")
    async with brought_later(world, "Always."):
        second = await world.asks(leads_to(first))
    assert (heard(second), leads_to(second)) == (["Always."], f"{V}/turn?turn=2")
    assert len(world.kept) == 1


async def test_nobody_answers_for_too_long(world: VoiceWorld) -> None:
    answer = await world.asks(f"{V}/wait?turn=1&look=200")
    assert heard(answer) == ["I am sorry, I have no answer yet. Please try it once more."]
    world.line["transfer"] = DIAL
    answer = await world.asks(f"{V}/wait?turn=1&look=200")
    assert [verb.tag for verb in verbs(answer)] == ["Dial"]
    assert leads_to(answer) == f"{V}/transfer-end?turn=2&transfers=1"
    back = await world.asks(leads_to(answer), DialCallStatus="busy")
    assert heard(back) == ["I am sorry, I have no answer yet. Please try it once more."]
    assert world.lane.told == []


async def test_keys_are_words(world: VoiceWorld) -> None:
    await world.brings("Ten.")
    await world.asks(f"{V}/turn?turn=1", Digits="2")
    assert [message.content for message in world.kept] == [TextContent(text="2")]


async def test_silence_is_answered_then_left_alone_then_ended(world: VoiceWorld) -> None:
    step, said = f"{V}/turn?turn=1", []
    for _ in range(4):
        answer = await world.asks(step)
        said.append(heard(answer))
        step = leads_to(answer)
    assert said == [["Sorry, I did not hear anything. Please say it again."], ["Are you still there?"], [], []]
    assert world.kept == []
    answer = await world.asks(f"{V}/turn?turn=40&silences=29")
    assert [verb.tag for verb in verbs(answer)] == ["Say", "Hangup"]


async def test_a_caller_who_waits_for_an_agent_may_be_silent_and_hears_the_agent(world: VoiceWorld) -> None:
    await world.brings(HANDOVER, author="system")
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human please")
    assert heard(answer) == [HANDOVER]
    assert heard(answer := await world.asks(leads_to(answer))) == []
    await world.brings("This is Ada.", 2, author="agent")
    assert heard(answer := await world.asks(leads_to(answer))) == ["This is Ada."]
    assert heard(await world.asks(leads_to(answer), SpeechResult="hello Ada")) == []


async def test_the_language_of_an_answer_is_the_language_of_the_call(world: VoiceWorld) -> None:
    world.line["languages"] = {"de": {}}
    await world.brings("Immer.", language="de")
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="open?")
    assert [say.get("language") for verb in verbs(answer) for say in verb.iter("Say")] == ["de-DE"]
    assert leads_to(answer) == f"{V}/turn?turn=2&lang=de"
    answer = await world.asks(leads_to(answer), SpeechResult="Wann?")
    assert world.kept[-1].language == "de"
    assert heard(answer) == ["Einen Moment bitte."]


async def test_a_picture_alone_is_told_of(world: VoiceWorld) -> None:
    await world.brings("https://m2n.example/picture.png")
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="show me")
    assert heard(answer) == ["There is something here that I can only show in writing."]


async def test_a_flood_of_words_is_said_in_answers_of_bearable_length(world: VoiceWorld) -> None:
    for number in range(4):
        await world.brings(f"{number}" + " and so on" * 390, number)
    first = await world.asks(f"{V}/turn?turn=1", SpeechResult="tell me all")
    second = await world.asks(leads_to(first))
    assert [text[0] for text in heard(first)] == ["0", "1", "2"]
    assert [text[0] for text in heard(second)] == ["3"]


async def test_a_message_too_long_for_one_breath_is_said_whole(world: VoiceWorld) -> None:
    await world.brings("A sentence of words. " * 1000)
    await world.brings("A sentence of words. " * 1000)
    step, said = f"{V}/turn?turn=1", ""
    for _ in range(3):
        answer = await world.asks(step)
        said += " ".join(heard(answer)) + " "
        step = leads_to(answer)
    assert said.count("A sentence of words.") == 1000


# -- who may ask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["turn", "wait", "relay-end", "transfer-end", "hold", "whisper", "dequeued",
                                   "status", "task-events", "fallback"])  # fmt: skip
async def test_only_twilio_may_ask(world: VoiceWorld, route: str) -> None:
    for token in ("54321", ""):
        answer = await world.asks(f"{V}/{route}?turn=1", token=token, SpeechResult="forged", CallStatus="completed")
        assert answer.status_code == 403
    assert (await world.asks(f"/voice/other/{route}")).status_code == 404
    assert world.kept == []
    assert world.documents.all == {}


async def test_another_accounts_call_is_refused(world: VoiceWorld) -> None:
    assert (await world.asks(f"{V}/turn?turn=1", AccountSid="AC" + "9" * 32)).status_code == 400
    assert (await world.asks(f"{V}/turn?turn=1", CallSid="")).status_code == 400


# -- the inbox -----------------------------------------------------------------------------------------------------


async def test_the_inbox_takes_each_message_once_and_none_when_the_call_is_over(world: VoiceWorld) -> None:
    assert (await world.brings("Hello")).json() == {"new": True}
    assert (await world.brings("Hello")).json() == {"new": False}
    ended = await world.asks(f"/webhooks/voice/{CONNECTION}?event=status", CallStatus="completed")
    assert ended.status_code == 204
    assert (await world.brings("Too late", 2)).status_code == 410
    assert (await world.brings("Hello")).json() == {"new": False}
    await world.telling.close()
    assert [(one.message_id, one.status) for one in world.receipts] == [("s.1", ReceiptStatus.FAILED)]
    assert world.kept[-1].content == CallContent(event="ended", call=CALL, reason="completed")


async def test_a_call_that_twilio_says_nothing_of_any_more_is_over(world: VoiceWorld) -> None:
    await world.asks(f"{V}/turn?turn=1")
    world.now += QUIET + timedelta(seconds=1)
    assert (await world.brings("Anybody there?")).status_code == 410


async def test_hanging_up_ends_the_wait(world: VoiceWorld) -> None:
    world.line["answer_within_s"] = 8
    asking = asyncio.create_task(world.asks(f"{V}/turn?turn=1", SpeechResult="open?"))
    await world.documents.written.wait()
    await world.asks(f"{V}/status", CallStatus="completed")
    async with asyncio.timeout(2):
        assert [verb.tag for verb in verbs(await asking)] == ["Hangup"]


async def test_a_status_on_the_way_ends_nothing(world: VoiceWorld) -> None:
    assert (await world.asks(f"{V}/status?event=status", CallStatus="ringing")).status_code == 204
    assert (await world.brings("Hello")).status_code == 200
    assert world.kept == []


# -- failures ------------------------------------------------------------------------------------------------------


async def test_words_that_could_not_be_kept_are_asked_for_again(
    world: VoiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.channels.voice.telling.KEEP_WITHIN_S", 0.1)
    world.queue_away = True
    step = f"{V}/turn?turn=1"
    for _ in range(3):
        answer = await world.asks(step, SpeechResult="open?")
        assert heard(answer) == ["Sorry, I lost what you said. Please say it again."]
        step = leads_to(answer)
    assert [verb.tag for verb in verbs(await world.asks(step, SpeechResult="open?"))] == ["Say", "Hangup"]


async def test_while_the_database_is_away_the_caller_hears_so_and_stays(world: VoiceWorld) -> None:
    world.documents.away = True
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="open?")
    assert heard(answer) == ["I am sorry, something is not working at our end. Please stay on the line."]
    assert leads_to(answer) == f"{V}/wait?turn=1&look=1&resumed=1&lost=1.0"
    assert len(world.kept) == 1
    world.documents.away = False
    await world.brings("Always.")
    assert heard(await world.asks(leads_to(answer))) == ["Always."]


async def test_a_database_that_stays_away_ends_the_call_with_a_goodbye(world: VoiceWorld) -> None:
    world.documents.away = True
    step = f"{V}/turn?turn=1"
    for _ in range(3):
        step = leads_to(await world.asks(step, SpeechResult="open?"))
    assert [verb.tag for verb in verbs(await world.asks(step))] == ["Say", "Hangup"]
    world.line["transfer"] = DIAL
    assert [verb.tag for verb in verbs(await world.asks(step))] == ["Dial", "Say", "Hangup"]


async def test_an_answer_that_twilio_never_got_is_said_after_all(world: VoiceWorld) -> None:
    await world.brings("Always.")
    lost = f"{V}/turn?turn=1"
    assert heard(await world.asks(lost, SpeechResult="open?")) == ["Always."]
    error = {"ErrorUrl": f"https://m2n.example{lost}", "ErrorCode": "11200"}
    sorry = await world.asks(f"{V}/fallback", **error)
    assert [verb.tag for verb in verbs(sorry)] == ["Say", "Pause", "Redirect"]
    assert heard(await world.asks(leads_to(sorry))) == ["Always."]


async def test_an_answer_that_twilio_could_not_carry_out_is_not_said_again(world: VoiceWorld) -> None:
    await world.brings("Always.")
    await world.asks(f"{V}/turn?turn=1", SpeechResult="open?")
    error = {"ErrorUrl": f"https://m2n.example{V}/turn?turn=1", "ErrorCode": "13520"}
    sorry = await world.asks(f"{V}/fallback", **error)
    assert heard(await world.asks(leads_to(sorry))) == ["Sorry, I lost what you said. Please say it again."]


async def test_the_fallback_needs_nobody_else(world: VoiceWorld) -> None:
    world.documents.away = world.queue_away = world.tenants_away = True
    error = {"ErrorUrl": f"https://m2n.example{V}/wait?turn=3&look=1&resumed=1", "ErrorCode": "11200"}
    answer = await world.asks(f"{V}/fallback", **error)
    assert leads_to(answer) == f"{V}/wait?turn=3&look=2&resumed=2&lost=3.1"
    answer = await world.asks(leads_to(answer))
    assert leads_to(answer) == f"{V}/wait?turn=3&look=3&resumed=3&lost=3.2"
    assert [verb.tag for verb in verbs(await world.asks(leads_to(answer)))] == ["Say", "Hangup"]


async def test_a_call_whose_beginning_failed_begins_again(world: VoiceWorld) -> None:
    error = {"ErrorUrl": f"https://m2n.example/webhooks/voice/{CONNECTION}", "ErrorCode": "11200"}
    answer = await world.asks(f"{V}/fallback", **error)
    assert leads_to(answer) == f"/webhooks/voice/{CONNECTION}?resumed=1"
    again = {"ErrorUrl": f"https://m2n.example/webhooks/voice/{CONNECTION}?resumed=3", "ErrorCode": "11200"}
    assert [verb.tag for verb in verbs(await world.asks(f"{V}/fallback", **again))] == ["Say", "Hangup"]


async def test_without_knowing_what_failed_the_fallback_ends_the_call(world: VoiceWorld) -> None:
    for error in ("", "http://[broken"):
        answer = await world.asks(f"{V}/fallback", **({"ErrorUrl": error} if error else {}))
        assert verbs(answer)[-1].tag in ("Hangup", "Redirect")
    assert [verb.tag for verb in verbs(await world.asks(f"{V}/fallback"))] == ["Say", "Hangup"]


# -- transfers -----------------------------------------------------------------------------------------------------


async def test_a_transfer_is_begun_after_the_sentence_and_its_course_is_told(world: VoiceWorld) -> None:
    await world.brings(HANDOVER, author="system")
    await ask_transfer(world)
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert [verb.tag for verb in verbs(answer)] == ["Say", "Dial"]
    again = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert again.text == answer.text
    (number,) = verbs(answer)[-1]
    whisper = (number.get("url") or "").removeprefix("https://m2n.example")
    assert heard(await world.asks(whisper, CallSid="CA" + "1" * 32, ParentCallSid=CALL)) == ["A caller of Acme."]
    await world.brings("You are now talking to the shop.", 2, author="system")
    world.now += timedelta(seconds=60)
    async with brought_later(world, "I am the assistant again.", number=3, author="system", at=world.now):
        back = await world.asks(leads_to(answer), DialCallStatus="completed")
    assert heard(back) == ["I am the assistant again."]
    told: list[Reply] = world.lane.told
    assert [(one.action, one.id, one.author_name) for one in told] == [
        (Action.AGENT_JOINED, "P1.1:2.joined", "the shop"),
        (Action.END, "P1.1:2.end", "the shop"),
    ]
    assert {one.epoch for one in told} == {2}


@pytest.mark.parametrize(
    "result",
    [
        {"DialCallStatus": "no-answer"},
        {"DialCallStatus": "busy"},
        {"DialCallStatus": "completed", "DialBridged": "false"},
        {"QueueResult": "queue-full"},
        {"QueueResult": "leave"},
        {"QueueResult": "error"},
    ],
)
async def test_when_nobody_answers_the_bot_has_the_caller_back(world: VoiceWorld, result: dict[str, str]) -> None:
    await ask_transfer(world)
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    world.now += timedelta(seconds=30)
    async with brought_later(world, "What else?", at=world.now):
        back = await world.asks(leads_to(answer), **result)
    assert heard(back) == ["I am sorry, nobody is free right now. I will keep helping as well as I can.", "What else?"]
    assert [one.action for one in world.lane.told] == [Action.RETURN]
    await world.asks(leads_to(answer), **result)
    assert len(world.lane.told) == 1


async def test_a_caller_who_hangs_up_in_the_queue_is_gone(world: VoiceWorld) -> None:
    await ask_transfer(world, {"kind": "enqueue", "queue": "q"})
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert verbs(answer)[-1].tag == "Enqueue"
    over = await world.asks(leads_to(answer), QueueResult="hangup", CallStatus="completed")
    assert verbs(over) == []
    assert (await world.brings("Hello?")).status_code == 410
    assert world.kept[-1].content == CallContent(event="ended", call=CALL, reason="completed")
    assert world.kept[-1].vendor_message_id == f"{CALL}#end"


async def test_a_queue_is_left_when_the_lane_takes_the_conversation_back(world: VoiceWorld) -> None:
    await ask_transfer(world, {"kind": "enqueue", "queue": "q"})
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    held = await world.asks(f"{V}/hold", QueueTime="1")
    assert [verb.tag for verb in verbs(held)] == ["Say", "Pause"]
    at = NOON + timedelta(seconds=120)
    notice = DeskNotice(id="n", tenant="acme", profile_id="P1", session_id="P1.1", epoch=2, what="cancelled", at=at)
    await world.brings("Nobody is free.", author="system", at=at)
    await world.calls.recall("P1.1:2", notice)
    assert [verb.tag for verb in verbs(await world.asks(f"{V}/hold", QueueTime="2"))] == ["Leave"]
    world.now = at + timedelta(seconds=5)
    back = await world.asks(leads_to(answer), QueueResult="leave")
    assert heard(back) == ["Nobody is free."]
    assert world.lane.told == []


async def test_a_transfer_that_was_taken_back_before_it_came_is_not_begun(world: VoiceWorld) -> None:
    notice = DeskNotice(id="n", tenant="acme", profile_id="P1", session_id="P1.1", epoch=2, what="cancelled", at=NOON)
    await world.calls.recall("P1.1:2", notice)
    await ask_transfer(world)
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert verbs(answer)[-1].tag == "Redirect"


async def test_an_end_that_nobody_could_be_told_is_told_with_the_next_request(
    world: VoiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask_transfer(world)
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    told = world.telling._tell  # pyright: ignore[reportPrivateUsage]

    async def away(_: Any) -> bool:
        return False

    monkeypatch.setattr(world.telling, "_tell", away)
    back = await world.asks(leads_to(answer), DialCallStatus="completed")
    monkeypatch.setattr(world.telling, "_tell", told)
    await world.asks(leads_to(back))
    await world.asks(f"{V}/turn?turn=9")
    assert [one.action for one in world.lane.told] == [Action.END]


async def test_a_request_for_the_next_words_shows_that_a_transfer_is_over(world: VoiceWorld) -> None:
    await ask_transfer(world)
    await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    await world.asks(f"{V}/wait?turn=2&look=1&resumed=1&lost=2.0")
    assert [one.action for one in world.lane.told] == [Action.RETURN]


async def test_taskrouter_tells_who_accepted(world: VoiceWorld) -> None:
    await ask_transfer(world, {"kind": "enqueue", "workflow_sid": "WW" + "0" * 32})
    await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    event = {"CallSid": "", "EventType": "reservation.accepted", "WorkerName": "Ada"}
    for attributes in ({"call_sid": "CA" + "8" * 32}, {"call_sid": 7}, [], {"call_sid": CALL}):
        task = orjson.dumps(attributes).decode()
        assert (await world.asks(f"{V}/task-events", **event, TaskAttributes=task)).status_code == 204
    assert [(one.action, one.author_name) for one in world.lane.told] == [(Action.AGENT_JOINED, "Ada")]


async def test_an_agent_takes_the_caller_out_of_the_queue(world: VoiceWorld) -> None:
    await ask_transfer(world, {"kind": "enqueue", "queue": "q"})
    await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert verbs(await world.asks(f"{V}/dequeued", DequeingCallSid="CA" + "1" * 32)) == []
    assert [one.action for one in world.lane.told] == [Action.AGENT_JOINED]


async def test_before_a_transfer_by_telephone_nothing_is_listened_for(world: VoiceWorld) -> None:
    desk = Connection(id="acme-phone", kind=ConnectionKind.DESK, adapter="phone")
    world.tenant = tenant(
        connections=(*tenant().connections, desk), handover={"desk_by_channel": {"voice": "acme-phone"}}
    )
    await world.brings(HANDOVER, author="system")
    answer = await world.asks(f"{V}/turn?turn=1", SpeechResult="a human")
    assert [verb.tag for verb in verbs(answer)] == ["Say", "Redirect"]
    await ask_transfer(world)
    assert [verb.tag for verb in verbs(await world.asks(leads_to(answer)))] == ["Dial"]


async def test_while_two_talk_a_failure_disturbs_nobody(world: VoiceWorld) -> None:
    world.documents.away = True
    assert verbs(await world.asks(f"{V}/whisper?call={CALL}", CallSid="CA" + "1" * 32)) == []
    assert verbs(await world.asks(f"{V}/dequeued")) == []
    assert [verb.tag for verb in verbs(await world.asks(f"{V}/hold"))] == ["Pause"]


# -- after the socket ----------------------------------------------------------------------------------------------


async def test_a_broken_socket_makes_the_call_go_on_by_asking(world: VoiceWorld) -> None:
    world.line["mode"] = "relay"
    answer = await world.asks(f"{V}/relay-end?turn=1", SessionStatus="failed", SessionId="VX1")
    assert heard(answer) == ["Sorry, I lost what you said. Please say it again."]
    assert leads_to(answer) == f"{V}/turn?turn=2"
    await ask_transfer(world)
    answer = await world.asks(leads_to(answer), SpeechResult="a human")
    back = await world.asks(leads_to(answer), DialCallStatus="completed")
    assert [verb.tag for verb in verbs(back)] == ["Say", "Redirect"]


async def test_a_socket_is_closed_for_a_transfer_and_opened_again_after_it(world: VoiceWorld) -> None:
    world.line["mode"] = "relay"
    await ask_transfer(world)
    handoff = {"HandoffData": '{"reason":"transfer"}', "SessionStatus": "ended"}
    answer = await world.asks(f"{V}/relay-end?turn=1", **handoff)
    assert (verbs(answer)[-1].tag, leads_to(answer)) == ("Dial", f"{V}/transfer-end?turn=2")
    back = await world.asks(leads_to(answer), DialCallStatus="completed")
    assert (verbs(back)[0].tag, leads_to(back)) == ("Connect", f"{V}/relay-end?turn=3")


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        ('{"reason":"goodbye"}', ["Say", "Hangup"]),
        ('{"reason":"no-answer"}', ["Gather"]),
        ("not JSON", ["Gather"]),
        ("[]", ["Gather"]),
    ],
)
async def test_why_the_socket_was_closed(world: VoiceWorld, data: str, tags: list[str]) -> None:
    answer = await world.asks(f"{V}/relay-end?turn=1", HandoffData=data)
    assert [verb.tag for verb in verbs(answer)] == tags


async def test_a_socket_that_closes_with_the_call_needs_no_answer(world: VoiceWorld) -> None:
    assert verbs(await world.asks(f"{V}/relay-end?turn=1", CallStatus="completed")) == []
    assert world.document()["over"]["reason"] == "completed"


def test_the_sample_call_is_a_live_one() -> None:
    assert call_fields()["CallStatus"] == "in-progress"
