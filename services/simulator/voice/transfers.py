"""<Dial> and <Enqueue>: the human at the other end answers, or does not."""

import asyncio
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from services.simulator.ledger import Kind
from services.simulator.twilio.message import new_sid
from services.simulator.voice.asking import ask
from services.simulator.voice.call import CallEnded, Going, PhoneCall
from services.simulator.voice.grammar import BadTwiml, read


async def dial(call: PhoneCall, verb: Element, url: str) -> Going | None:
    """Rings, whispers to whoever answers, lets the two talk. None: the next verb follows."""
    number = verb.find("Number")
    assert number is not None
    leg, human = new_sid("CA"), call.human
    action = verb.get("action")
    call.note(Kind.STATUS, status="dialling", to=(number.text or "").strip())
    call.on_hang_up = (urljoin(url, action), _dialled(leg, "canceled")) if action else None
    ring_s = float(verb.get("timeout", "30"))
    await asyncio.sleep(min(human.after_s, ring_s))
    status = human.does if human.does in ("busy", "no-answer", "failed", "canceled") else "completed"
    if human.after_s >= ring_s:
        status = "no-answer"
    if status == "completed":
        await _whisper(call, number, url, leg)
        await _talk(call)
    call.on_hang_up = None
    return (urljoin(url, action), _dialled(leg, status)) if action else None


def _dialled(leg: str, status: str) -> dict[str, str]:
    bridged = str(status == "completed").lower()
    return {"DialCallSid": leg, "DialCallStatus": status, "DialCallDuration": "1", "DialBridged": bridged}


async def _whisper(call: PhoneCall, number: Element, url: str, leg: str) -> None:
    """What the human hears before the caller does; they are connected whatever becomes of it."""
    address = number.get("url")
    if not address:
        return
    fields = call.fields() | {"CallSid": leg, "ParentCallSid": call.sid, "Direction": "outbound-dial"}
    answered = await ask(call.state.http, call.token, urljoin(url, address), fields)
    call.note(Kind.WEBHOOK, url=address, **vars(answered.posted))
    try:
        for verb in read(answered.body) if answered.is_good else ():
            call.note(Kind.STATUS, status="whispered", words=(verb.text or "").strip())
    except BadTwiml as failed:
        call.note(Kind.REFUSED, code=failed.code, reason=str(failed), url=address)


async def _talk(call: PhoneCall) -> None:
    """What the caller says goes to the human only."""
    call.note(Kind.STATUS, status="bridged")
    await asyncio.sleep(call.human.talks_s)
    call.note(Kind.STATUS, status="unbridged")


async def enqueue(call: PhoneCall, verb: Element, url: str) -> Going | None:
    """Waits with what the hold address says until a human takes the caller out, or the hold address does."""
    human, action = call.human, verb.get("action")
    task = verb.find("Task")
    call.note(Kind.STATUS, status="queued", task=(task.text or "") if task is not None else "", queue=verb.text or "")
    if human.does in ("queue-full", "system-error"):
        return _left(url, action, human.does)
    call.on_hang_up = (urljoin(url, action), {"QueueResult": "hangup", "QueueTime": "1"}) if action else None
    try:
        async with asyncio.timeout(human.after_s if human.does == "answers" else None):
            await _hold(call, urljoin(url, verb.get("waitUrl", "")))
        result = "leave"
    except TimeoutError:
        result = "bridged"
        await _tell_agent(call, verb)
        await _talk(call)
    call.on_hang_up = None
    return _left(url, action, result)


def _left(url: str, action: str | None, result: str) -> Going | None:
    return (
        (urljoin(url, action), {"QueueResult": result, "QueueSid": new_sid("QU"), "QueueTime": "1"}) if action else None
    )


async def _hold(call: PhoneCall, url: str) -> None:
    """Until <Leave>."""
    while True:
        verbs = await call.fetch(url, {"QueuePosition": "1", "QueueTime": "1", "CurrentQueueSize": "1"})
        for verb in verbs:
            if verb.tag == "Leave":
                return
            if verb.tag not in ("Say", "Play", "Pause"):
                call.note(Kind.REFUSED, code=12200, reason=f"<{verb.tag}> cannot stand in a wait document", url=url)
                raise CallEnded
            await call.play(verb)
        await asyncio.sleep(0.05)  # an empty document would be asked for again and again


async def _tell_agent(call: PhoneCall, verb: Element) -> None:
    """TaskRouter's event of an accepted task, or the request of the agent's <Dial><Queue url>."""
    workflow, site = verb.get("workflowSid"), call.site
    if workflow:
        fields = {
            "AccountSid": call.fields()["AccountSid"],
            "EventType": "reservation.accepted",
            "TaskAttributes": f'{{"call_sid":"{call.sid}"}}',
            "WorkerName": "Ada",
            "WorkflowSid": workflow,
        }
        url = f"{site}/task-events"
    else:
        fields, url = call.fields() | {"QueueSid": new_sid("QU"), "DequeingCallSid": new_sid("CA")}, f"{site}/dequeued"
    answered = await ask(call.state.http, call.token, url, fields)
    call.note(Kind.CALLBACK, url=url, **vars(answered.posted))
