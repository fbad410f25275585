"""The dialogue of a call to which Twilio asks after each sentence: what was heard goes on, what is to be said is said.

Each method answers one of Twilio's requests with TwiML. Raises pymongo's errors; whoever calls says that something
failed and goes on (``routes``).
"""

from dataclasses import dataclass, replace

from m2n import clock
from m2n.crash_points import crash_point
from m2n.message import CallContent
from services.channels.twilio_core.form import Fields
from services.channels.voice import twiml
from services.channels.voice.calls import Call, CallLine, Calls
from services.channels.voice.handoff import Handoff, handoff_reason
from services.channels.voice.incoming import Asked
from services.channels.voice.parse import CHANNEL, OVER, said
from services.channels.voice.patience import (
    HUMAN_LOOK_S,
    OnDelay,
    OnSilence,
    goes_to_phone,
    is_asking_for_human,
    may_transfer,
    on_delay,
    on_silence,
    waits_for_human,
)
from services.channels.voice.script import MOST_RESUMED
from services.channels.voice.sentences import Spoken
from services.channels.voice.steps import Step
from services.channels.voice.telling import Telling
from services.channels.voice.waiting import next_for
from services.handover.phone.transfer import Transfer

NOTHING = twiml.document()
BACK_WITHIN_S = 4.0
"""After a transfer: so long the lane's word on it is waited for, in silence."""


def was_answered(found: Fields) -> bool:
    """Whether a human has spoken with the caller, from what <Dial> or <Enqueue> tells in the end."""
    if found.get("DialBridged", "").lower() == "false":
        return False
    result = found.get("DialCallStatus") or found.get("QueueResult", "")
    return result in ("completed", "answered", "bridged", "bridging-in-process")


@dataclass(frozen=True)
class Talk:
    calls: Calls
    telling: Telling

    async def turn(self, asked: Asked) -> str:
        """The caller spoke, pressed keys or was silent."""
        content = said(asked.fields)
        if content is None:
            return await self._silence(asked)
        key = str(asked.step.turn)
        if not await self.telling.keep_words(asked.line, asked.fields, content, key, asked.language):
            return self._lost(asked)
        call = await self._open(asked)
        step = replace(asked.step, silences=0)
        human = self._human(asked, call)
        within_s = HUMAN_LOOK_S if human else asked.line.settings.answer_within_s
        answer = await self._next(asked, step, within_s)
        if answer is not None:
            return answer
        return self._listen(asked, step) if human else self._delay(asked, step)

    async def wait(self, asked: Asked) -> str:
        """Nothing was there to be said at the last look, or an answer of ours got lost."""
        lost = asked.query.get("lost")
        if lost:
            await self.calls.put_back(asked.key, lost)
        call = await self._open(asked)
        answer = await self._next(asked, asked.step, asked.line.settings.answer_within_s)
        if answer is not None:
            return answer
        if asked.step.resumed:
            return self._listen(asked, asked.step, "say_again")
        if self._human(asked, call) and not self._leaves(asked, call.last_said()):
            return self._listen(asked, asked.step)
        return await self._late(asked)

    async def relay_end(self, asked: Asked) -> str:
        """The socket is closed: for a transfer, for a goodbye, or because it broke."""
        if await self._hung_up(asked):
            return NOTHING
        reason = handoff_reason(asked.fields.get("HandoffData", ""))
        facts = {} if reason else {"relay_failed": True}
        call = await self.calls.open(asked.key, **facts)
        asked = replace(asked, spoken=call.language)
        if reason is Handoff.GOODBYE:
            return asked.script.hang_up(asked.language)
        if reason is Handoff.NO_ANSWER:
            return await self._give_up(asked)
        answer = await self._next(asked, asked.step, 0)
        return answer or self._listen(asked, asked.step, "say_again")

    async def transfer_end(self, asked: Asked) -> str:
        """The caller is back from a human, or nobody answered."""
        if await self._hung_up(asked):
            return NOTHING
        transfer = await self._back(asked, was_answered(asked.fields))
        call = await self._open(asked)
        if asked.line.settings.mode == "relay" and not call.relay_failed:
            return asked.script.relay(asked.step.next_turn())
        if transfer is None or transfer.session is None:
            return await self._next(asked, asked.step, 0) or self._listen(asked, asked.step, "no_answer")
        first = None if transfer.answered or transfer.recalled_at else self._nobody(asked)
        return await self._next(asked, asked.step, BACK_WITHIN_S, first) or self._delay(asked, asked.step)

    # -- what comes next ---------------------------------------------------------------------------------------

    async def _next(self, asked: Asked, step: Step, within_s: float, first: Spoken | None = None) -> str | None:
        """The answer that says or does what there is, ``first`` before it; None where there is nothing."""
        found = await next_for(self.calls, asked.key, asked.step.key, within_s)
        crash_point("voice.after-taking")
        if found.nothing:
            return None
        if found.over:
            return twiml.document(twiml.hangup())
        self.telling.said(asked.line, found.lines)
        spoken = asked.script.known(found.lines[-1].language) if found.lines else None
        language, texts = spoken or asked.language, [line.text for line in found.lines]
        if found.transfer:
            return asked.script.transfer(step.next_turn(), asked.call, found.transfer, texts, language)
        if self._leaves(asked, found.lines[-1]):
            return asked.script.say_and_look(step.next_look(), texts, language)
        first = None if first and first.text in texts else first
        return asked.script.listen(step.next_turn(silences=0), texts, language, first)

    def _leaves(self, asked: Asked, last: CallLine | None) -> bool:
        """Whether a transfer is about to come, so that there is nothing to be listened for."""
        tenant = asked.line.resolved.tenant
        return goes_to_phone(tenant, CHANNEL) and is_asking_for_human(last, tenant)

    def _nobody(self, asked: Asked) -> Spoken:
        texts = asked.line.resolved.tenant.texts
        return Spoken(texts.sentence("nobody_available", asked.language), asked.language)

    async def _silence(self, asked: Asked) -> str:
        call = await self._open(asked)
        step = replace(asked.step, silences=asked.step.silences + 1)
        answer = await self._next(asked, step, 0)
        if answer is not None:
            return answer
        match on_silence(step, asked.line.settings, self._human(asked, call)):
            case OnSilence.HANG_UP:
                return asked.script.hang_up(asked.language)
            case OnSilence.TRANSFER:
                return await self._give_up(asked)
            case OnSilence.LISTEN:
                return self._listen(asked, step)
            case prompt:
                return self._listen(asked, step, prompt.value)

    async def _late(self, asked: Asked) -> str:
        match on_delay(asked.step, asked.line.settings):
            case OnDelay.TRANSFER:
                return await self._give_up(asked)
            case OnDelay.APOLOGISE:
                return self._listen(asked, asked.step, "no_answer")
            case delay:
                return self._delay(asked, asked.step, speak=delay is OnDelay.ONE_MOMENT and asked.step.look > 1)

    def _delay(self, asked: Asked, step: Step, speak: bool = True) -> str:
        first = asked.script.own("one_moment", asked.language) if speak else None
        return asked.script.say_and_look(step.next_look(), (), asked.language, first)

    def _listen(self, asked: Asked, step: Step, sentence: str | None = None) -> str:
        first = asked.script.own(sentence, asked.language) if sentence else None
        return asked.script.listen(step.next_turn(), (), asked.language, first)

    def _lost(self, asked: Asked) -> str:
        """The words could not be kept: the caller is told, for they would wait for an answer in vain."""
        step = replace(asked.step.next_turn(), resumed=asked.step.resumed + 1)
        if step.resumed > MOST_RESUMED:
            return asked.script.end_in_failure(asked.language)
        return asked.script.listen(step, (), asked.language, asked.script.own("say_again", asked.language))

    async def _give_up(self, asked: Asked) -> str:
        """To a human, if there is one for that: nobody answers or understands the caller."""
        target, step = asked.line.settings.transfer, asked.step
        if target is None or not may_transfer(step, asked.line.settings):
            return self._listen(asked, step, "no_answer")
        wanted = Transfer(id=f"{asked.key.id}:{step.key}", target=target, asked_at=clock.now())
        await self.calls.ask_transfer(asked.key, wanted)
        taken = await self.calls.take_transfer(asked.key, step.key)
        after = step.next_turn(transfers=step.transfers + 1, silences=0)
        return asked.script.transfer(after, asked.call, taken or wanted, (), asked.language)

    # -- the call ----------------------------------------------------------------------------------------------

    async def _open(self, asked: Asked) -> Call:
        """The call as it is. A request for its next words shows that a transfer is over, whatever told of it."""
        call = await self.calls.open(asked.key)
        if call.transfer and call.transfer.goes_on and call.transfer.by != asked.step.key:
            await self._back(asked, call.transfer.joined_at is not None)
        elif call.transfer and call.transfer.ended_at:
            await self.telling.ended(asked.key, call.transfer)
        return call

    async def _back(self, asked: Asked, answered: bool) -> Transfer | None:
        """What was meant for the caller while they were away is dropped before the lane hears that they are back."""
        transfer = await self.calls.end_transfer(asked.key, answered)
        if transfer and transfer.ended_at:
            await self.calls.drop_decided_before(asked.key, transfer.recalled_at or transfer.ended_at)
            await self.telling.ended(asked.key, transfer)
        return transfer

    async def _hung_up(self, asked: Asked) -> bool:
        if asked.fields.get("CallStatus") not in OVER and asked.fields.get("QueueResult") != "hangup":
            return False
        reason = asked.fields.get("CallStatus", "completed")
        await self.telling.end(asked.line, asked.key, reason)
        over = CallContent(event="ended", call=asked.call, reason=reason)
        await self.telling.keep_words(asked.line, asked.fields, over, "end", None)
        return True

    def _human(self, asked: Asked, call: Call) -> bool:
        return waits_for_human(call.last_said(), asked.line.resolved.tenant)
