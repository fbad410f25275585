"""The telephone network's stand-in: against Twilio's own package, and against the channel in both of its modes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Request, Response, WebSocket
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, Dial, Enqueue, Gather, VoiceResponse

from m2n.adapters.channel import Parsed
from m2n.adapters.edge_host import Resolved
from m2n.message import TextContent
from services.channels.voice import relay_talk, talk
from services.channels.voice.adapter import channel
from services.channels.voice.edge import StatusCallbacks
from services.channels.voice.incoming import as_received
from services.simulator.app import create_app
from services.simulator.voice.grammar import BadTwiml, read
from tests.served_app import served
from tests.unit.builders import NOON
from tests.unit.voice_doubles import ACCOUNT, CALLER, CONNECTION, NUMBER, TOKEN, VoiceWorld

CUSTOMER = f"/control/lines/voice/{CONNECTION}/customers/{CALLER}/messages"
Script = Callable[[dict[str, str], str], VoiceResponse]


@dataclass
class Business:
    """A number's webhooks: answers what the test's script says, and looks at each request with Twilio's validator."""

    script: Script = lambda fields, path: VoiceResponse()
    site: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    genuine: list[bool] = field(default_factory=list)
    answer: Response | None = None
    frames: list[dict[str, Any]] = field(default_factory=list)
    talk: Callable[[WebSocket], Any] | None = None

    async def take(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        signature = request.headers["x-twilio-signature"]
        self.genuine.append(RequestValidator(TOKEN).validate(str(request.url), form, signature))
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append((path, form))
        if self.answer is not None and "fallback" not in path:
            return self.answer
        return Response(str(self.script(form, path)), media_type="text/xml")

    async def relay(self, websocket: WebSocket) -> None:
        url, signature = str(websocket.url), websocket.headers["x-twilio-signature"]
        self.genuine.append(RequestValidator(TOKEN).validate(url, {}, signature))
        await websocket.accept()
        assert self.talk is not None
        await self.talk(websocket)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@pytest.fixture
async def business() -> AsyncIterator[Business]:
    made, app = Business(), FastAPI()
    app.add_api_websocket_route("/relay", made.relay)
    app.add_api_route("/{path:path}", made.take, methods=["POST"])
    async with served(app, "websockets-sansio") as made.site:
        yield made


@pytest.fixture
async def simulator() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://simulator", timeout=30) as http,
    ):
        yield http


async def entered(simulator: httpx.AsyncClient, site: str, **changes: Any) -> httpx.Response:
    line = {
        "channel": "voice",
        "connection": CONNECTION,
        "webhook_url": f"{site}/webhooks/voice/{CONNECTION}",
        "settings": {"account_sid": ACCOUNT, "number": NUMBER},
        "secrets": {"auth-token": TOKEN},
    }
    return await simulator.put("/control/lines", json=line | changes)


async def does(simulator: httpx.AsyncClient, **said: Any) -> dict[str, Any]:
    answer = await simulator.post(CUSTOMER, json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ledger(simulator: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    lines = (await simulator.get("/control/ledger")).content.splitlines()
    return [entry for entry in map(orjson.loads, lines) if entry["kind"] == kind]


async def heard(simulator: httpx.AsyncClient, wanted: str) -> list[str]:
    """All that was heard, once this is among it."""
    deadline = asyncio.get_running_loop().time() + 15
    while True:
        texts = [entry["text"] for entry in await ledger(simulator, "outbound")]
        if wanted in texts:
            return texts
        assert asyncio.get_running_loop().time() < deadline, f"{wanted!r} is not among {texts}"
        await asyncio.sleep(0.02)  # between two looks


# -- against Twilio's package --------------------------------------------------------------------------------------


def greeting(_: dict[str, str], path: str) -> VoiceResponse:
    response = VoiceResponse()
    if "turn" not in path:
        gather = Gather(input="speech dtmf", action="/turn?turn=1", timeout=1, action_on_empty_result=True)
        gather.say("Hello")
        response.append(gather)
    else:
        response.say("Thank you")
        response.pause(length=0)
        response.hangup()
    return response


async def test_a_call_is_asked_about_as_twilio_asks(simulator: httpx.AsyncClient, business: Business) -> None:
    business.script = greeting
    assert (await entered(simulator, business.site)).status_code == 204
    said = await does(simulator, text="My bike is lost", extra={"confidence": 0.4, "caller_name": "ADA L"})
    assert (said["status"], said["message_id"][:2]) == (200, "CA")
    assert await heard(simulator, "Thank you") == ["Hello", "Thank you"]
    (first, incoming), (second, turn), (third, over) = (await over_after(business, 3))[:3]
    assert business.genuine == [True] * 3
    assert first == f"/webhooks/voice/{CONNECTION}"
    expected = {"AccountSid": ACCOUNT, "From": CALLER, "To": NUMBER, "CallStatus": "ringing", "CallerName": "ADA L"}
    assert expected.items() <= incoming.items()
    assert second == "/turn?turn=1"
    expected = {"SpeechResult": "My bike is lost", "Confidence": "0.4", "CallStatus": "in-progress"}
    assert expected.items() <= turn.items()
    assert third == f"/webhooks/voice/{CONNECTION}?event=status"
    assert over["CallStatus"] == "completed"


async def over_after(business: Business, count: int) -> list[tuple[str, dict[str, str]]]:
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        if len(business.asked) >= count:
            return business.asked
        assert asyncio.get_running_loop().time() < deadline, business.paths()
        await asyncio.sleep(0.02)  # between two looks


async def test_keys_are_cut_where_the_gather_says(simulator: httpx.AsyncClient, business: Business) -> None:
    def one_key(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "turn" not in path:
            gather = Gather(action="/turn", num_digits=1, timeout=5, input="dtmf")
            gather.say("For prices, press 2.")
            response.append(gather)
        return response

    business.script = one_key
    await entered(simulator, business.site)
    await does(simulator, digits="21")
    assert business.asked[1][1]["Digits"] == "2"
    (offered,) = (await ledger(simulator, "outbound"))[0]["choices"]
    assert offered == {"title": "For prices, press 2.", "says": {"digits": "2"}}


async def test_silence_goes_to_the_action_or_to_the_next_verb(simulator: httpx.AsyncClient, business: Business) -> None:
    def silent(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "turn" in path:
            response.gather(action="/never", timeout=1, input="speech")
            response.say("Goodbye")
        else:
            response.append(Gather(action="/turn", timeout=1, input="speech", action_on_empty_result=True))
        return response

    business.script = silent
    await entered(simulator, business.site)
    await does(simulator, extra={"silence_s": 0.05})
    await heard(simulator, "Goodbye")
    assert "/never" not in business.paths()


@pytest.mark.parametrize(
    ("body", "status", "media_type", "code"),
    [
        ("{}", 200, "application/json", 12300),
        ("<Response><Say>cut", 200, "text/xml", 12100),
        ("<Response><Speak>no</Speak></Response>", 200, "text/xml", 12200),
        ('<Response><Say tone="loud">no</Say></Response>', 200, "text/xml", 12200),
        ("down", 503, "text/plain", 11200),
        ("", 302, "text/xml", 11200),
    ],
)
async def test_what_is_no_twiml_leads_to_the_fallback(
    simulator: httpx.AsyncClient, business: Business, body: str, status: int, media_type: str, code: int
) -> None:
    def sorry(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        response.say("Sorry")
        return response

    business.script, business.answer = sorry, Response(body, status, media_type=media_type)
    await entered(simulator, business.site)
    await does(simulator)
    assert await heard(simulator, "Sorry") == ["Sorry"]
    assert [entry["code"] for entry in await ledger(simulator, "refused")] == [code]
    (error,) = [form for path, form in business.asked if path == f"/voice/{CONNECTION}/fallback"]
    assert error["ErrorCode"] == str(code)
    assert error["ErrorUrl"] == f"{business.site}/webhooks/voice/{CONNECTION}"


async def test_without_any_good_answer_twilio_says_so_itself(
    simulator: httpx.AsyncClient, unused_tcp_port_: int
) -> None:
    await entered(simulator, f"http://127.0.0.1:{unused_tcp_port_}")
    said = await does(simulator)
    assert (said["status"], said["tries"], said["error"]) == (None, 2, "ConnectError")
    await heard(simulator, "We are sorry, an application error has occurred. Goodbye.")
    assert [entry["by"] for entry in await ledger(simulator, "outbound")] == ["twilio"]


@pytest.fixture
def unused_tcp_port_() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("does_", "status", "bridged"),
    [("answers", "completed", True), ("busy", "busy", False), ("no-answer", "no-answer", False)],
)
async def test_a_number_is_dialled(
    simulator: httpx.AsyncClient, business: Business, does_: str, status: str, bridged: bool
) -> None:
    def dialling(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "whisper" in path:
            response.say("A caller")
        elif "after" not in path:
            dial = Dial(action="/after", timeout=5)
            dial.number("+15550100009", url="/whisper")
            response.append(dial)
        return response

    business.script = dialling
    await entered(simulator, business.site)
    await does(simulator, extra={"human": does_, "human_after_s": 0.01, "human_talks_s": 0.01})
    asked = await over_after(business, 4 if bridged else 3)
    after = next(form for path, form in asked if path == "/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == (status, str(bridged).lower())
    whispered = [form for path, form in asked if path == "/whisper"]
    assert [form["Direction"] for form in whispered] == ["outbound-dial"] * bridged


async def test_a_queue_holds_until_it_is_left(simulator: httpx.AsyncClient, business: Business) -> None:
    def queueing(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "hold" in path:
            if business.paths().count("/hold") < 2:
                response.say("Please wait")
            else:
                response.leave()
        elif "after" in path:
            response.say("Back")
        else:
            enqueue = Enqueue(None, action="/after", wait_url="/hold", workflow_sid="WW" + "0" * 32)
            enqueue.task('{"reason":"x"}')
            response.append(enqueue)
        return response

    business.script = queueing
    await entered(simulator, business.site)
    await does(simulator, extra={"human_after_s": 30})
    assert await heard(simulator, "Back") == ["Please wait", "Back"]
    assert next(form for path, form in business.asked if path == "/after")["QueueResult"] == "leave"


async def test_hanging_up_in_a_queue_is_told_twice(simulator: httpx.AsyncClient, business: Business) -> None:
    def queueing(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "hold" in path:
            response.pause(length=20)
        else:
            response.enqueue("cards", action="/after", wait_url="/hold")
        return response

    business.script = queueing
    await entered(simulator, business.site)
    await does(simulator, extra={"human_after_s": 30})
    await over_after(business, 2)
    assert (await does(simulator, hang_up=True))["status"] == 200
    assert business.asked[-2][1]["QueueResult"] == "hangup"
    assert business.asked[-2][1]["CallStatus"] == "completed"
    assert business.paths()[-1].endswith("?event=status")


async def test_the_socket_is_spoken_as_twilio_does(simulator: httpx.AsyncClient, business: Business) -> None:
    def relayed(_: dict[str, str], path: str) -> VoiceResponse:
        response = VoiceResponse()
        if "ended" not in path:
            connect = Connect(action="/ended")
            url = f"ws{business.site.removeprefix('http')}/relay"
            noun: Any = connect.conversation_relay(url=url, welcome_greeting="Welcome", language="en-US")
            noun.parameter(name="tenant", value="acme")
            response.append(connect)
        return response

    async def talk_(websocket: WebSocket) -> None:
        while len(business.frames) < 6:
            business.frames.append(orjson.loads(await websocket.receive_text()))
            if len(business.frames) == 3:
                for frame in ({"token": "I am ", "last": False}, {"token": "sorry.", "last": True}):
                    await websocket.send_text(orjson.dumps({"type": "text", **frame}).decode())
                await websocket.send_text('{"type":"text","tokens":"?"}')
        await websocket.send_text('{"type":"end","handoffData":"{}"}')
        await websocket.receive()

    business.script, business.talk = relayed, talk_
    await entered(simulator, business.site)
    assert (await does(simulator, text="My bike", extra={"partial": True}))["status"] == 101
    await heard(simulator, "I am sorry.")
    await does(simulator, digits="1", extra={"interrupt": "I am"})
    asked = await over_after(business, 2)
    kinds = [frame["type"] for frame in business.frames]
    assert (kinds[:3], sorted(kinds[3:])) == (["setup", "prompt", "prompt"], ["dtmf", "error", "interrupt"])
    assert [frame.get("last") for frame in business.frames[1:3]] == [False, True]
    assert business.frames[0]["customParameters"] == {"tenant": "acme"}
    assert business.frames[0]["accountSid"] == ACCOUNT
    ended = next(form for path, form in asked if path == "/ended")
    assert (ended["HandoffData"], ended["SessionStatus"]) == ("{}", "ended")
    assert all(business.genuine)
    assert [entry["code"] for entry in await ledger(simulator, "refused")] == [64107]


@pytest.mark.parametrize(
    "document",
    [
        "<Response><Connect><ConversationRelay url='ws://m2n.example/x'/></Connect></Response>",
        "<Response><Connect><ConversationRelay/></Connect></Response>",
        "<Response><Say></Say></Response>",
        f"<Response><Say>{'x' * 4097}</Say></Response>",
        "<Response><Pause length='-1'/></Response>",
        "<Response><Gather input='voice'/></Response>",
        "<Response><Gather><Dial/></Gather></Response>",
        "<Response><Dial><Number>911</Number></Dial></Response>",
        "<Response><Enqueue/></Response>",
        "<Response><Enqueue workflowSid='WW1'/></Response>",
        "<Answer/>",
        "",
        f"<Response>{'<Pause/>' * 9000}</Response>",
    ],
)
def test_twiml_that_twilio_would_not_carry_out_is_refused(document: str) -> None:
    with pytest.raises(BadTwiml):
        read(document)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": {"number": NUMBER}}, "account_sid"),
        ({"settings": {"account_sid": ACCOUNT, "number": "1"}}, "number"),
        ({"secrets": {}}, "auth-token"),
        ({"webhook_url": "http://127.0.0.1/elsewhere"}, "webhook_url"),
    ],
)
async def test_a_line_that_does_not_fit_is_refused(
    simulator: httpx.AsyncClient, changes: dict[str, Any], named: str
) -> None:
    refused = await entered(simulator, "http://127.0.0.1", **changes)
    assert refused.status_code == 422
    assert named in refused.text


async def test_what_a_caller_cannot_do_is_refused(simulator: httpx.AsyncClient) -> None:
    await entered(simulator, "http://127.0.0.1:9")
    for said in ({"hang_up": True}, {"text": "x", "extra": {"human": "sings"}}, {"edit": {"target": "a", "text": "b"}}):
        assert (await simulator.post(CUSTOMER, json=said)).status_code == 422


# -- against the channel -------------------------------------------------------------------------------------------


class Installation(VoiceWorld):
    """The channel with its webhook, on a free port; its bot says after the caller what they said."""

    async def incoming(self, request: Request) -> Response:
        webhook = as_received(self.site, request, "POST", await request.body())
        assert channel.verify(webhook, self.connection, {"auth-token": TOKEN})
        parsed = channel.parse(webhook, "acme", self.connection, NOON)
        assert parsed.answer is not None
        return Response(parsed.answer.body, media_type=parsed.answer.media_type)

    async def keep(self, parsed: Parsed, resolved: Resolved) -> None:
        await super().keep(parsed, resolved)
        for message in parsed.messages:
            if isinstance(message.content, TextContent):
                key = message.vendor_message_id
                answer = await self.brings(
                    f"You said {message.content.text}", call=message.address.to, key=key, message=key
                )
                assert answer.status_code == 200, answer.text


@pytest.fixture
async def installation(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installation]:
    monkeypatch.setattr(talk, "BACK_WITHIN_S", 0.3)
    monkeypatch.setattr(relay_talk, "BEFORE_TRANSFER_S", 0.1)
    made = Installation(line={"silence_s": 1})
    made.app.add_api_route(f"/webhooks/voice/{CONNECTION}", made.incoming, methods=["POST"])
    async with served(StatusCallbacks(made.app), "websockets-sansio") as made.site:
        yield made
        await made.telling.close()
    await made.http.aclose()


@pytest.mark.parametrize("mode", ["gather", "relay"])
async def test_a_whole_call(simulator: httpx.AsyncClient, installation: Installation, mode: str) -> None:
    installation.line["mode"] = mode
    await entered(simulator, installation.site)
    await does(simulator, text="hello")
    await heard(simulator, "You said hello.")
    await does(simulator, text="and bye")
    await heard(simulator, "You said and bye.")
    assert (await does(simulator, hang_up=True))["status"] == 204
    assert await ledger(simulator, "refused") == []
    kept = {message.vendor_message_id: message.content.model_dump() for message in installation.kept}
    assert [content.get("text") or content["event"] for content in kept.values()] == ["hello", "and bye", "ended"]


@pytest.mark.parametrize("mode", ["gather", "relay"])
async def test_an_anonymous_caller(simulator: httpx.AsyncClient, installation: Installation, mode: str) -> None:
    installation.line["mode"] = mode
    await entered(simulator, installation.site)
    call = (await does(simulator, text="hello", extra={"caller": "+266696687"}))["message_id"]
    await heard(simulator, "You said hello.")
    assert [(one.scheme, one.value) for one in installation.kept[0].identities] == [("call", call)]


async def test_an_answer_that_gets_lost_on_the_way(simulator: httpx.AsyncClient, installation: Installation) -> None:
    await entered(simulator, installation.site)
    await does(simulator, text="one")
    await heard(simulator, "You said one.")
    await simulator.post("/control/faults", json={"channel": "voice", "drop": True})
    await does(simulator, text="two")
    texts = await heard(simulator, "You said two.")
    assert texts.count("You said one.") == 1
    assert len(installation.kept) == 2


async def test_a_socket_that_breaks(simulator: httpx.AsyncClient, installation: Installation) -> None:
    installation.line["mode"] = "relay"
    await entered(simulator, installation.site)
    await does(simulator, text="hello")
    await heard(simulator, "You said hello.")
    await does(simulator, extra={"break_socket": True})
    await heard(simulator, "Sorry, I lost what you said. Please say it again.")
    await does(simulator, text="again")
    assert (await heard(simulator, "You said again.")).count("You said hello.") == 1
