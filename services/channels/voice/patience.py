"""How long a caller is waited for, and lets be waited: pure decisions."""

from enum import Enum

from m2n.message import Author
from m2n.tenant import Tenant
from services.channels.voice.calls import CallLine
from services.channels.voice.settings import VoiceSettings
from services.channels.voice.steps import Step

HUMAN_LOOK_S = 1.5
"""A caller who spoke to an agent hears nothing back for a while; after this it is listened again."""
TRANSFER_AT = 3
"""After so many silences in a row a caller who hears no human is transferred, where that is possible."""
MOST_TRANSFERS = 2
"""So many times a caller whom nobody answers or understands is transferred."""


class OnSilence(Enum):
    NOT_HEARD = "not_heard"
    STILL_THERE = "still_there"
    LISTEN = "listen"
    TRANSFER = "transfer"
    HANG_UP = "hang_up"


class OnDelay(Enum):
    LOOK = "look"
    ONE_MOMENT = "one_moment"
    TRANSFER = "transfer"
    APOLOGISE = "apologise"


def waits_for_human(last: CallLine | None, tenant: Tenant) -> bool:
    """Whether the last thing that the caller heard came from a human, or said that one is coming."""
    if last is None or last.author is Author.BOT:
        return False
    return last.author is Author.AGENT or is_asking_for_human(last, tenant) or _is_agent_joined(last, tenant)


def is_asking_for_human(last: CallLine | None, tenant: Tenant) -> bool:
    """Whether the last thing said was that a human is being asked for."""
    said = (tenant.texts.sentence("handover_requested", language) for language in tenant.languages)
    return last is not None and last.author is Author.SYSTEM and last.text in said


def goes_to_phone(tenant: Tenant, channel: str) -> bool:
    """Whether callers are handed over by telephone, so that nothing is to be listened for before."""
    desk = tenant.rules.handover.desk_for(channel)
    connection = tenant.connection(desk) if desk else None
    return connection is not None and connection.adapter == "phone"


def on_silence(step: Step, settings: VoiceSettings, human: bool) -> OnSilence:
    """``step.silences`` counts this one."""
    limit = settings.human_hang_up_after_s if human else settings.hang_up_after_s
    if step.silences * settings.silence_s >= limit:
        return OnSilence.HANG_UP
    if human:
        return OnSilence.LISTEN
    if step.silences >= TRANSFER_AT:
        return OnSilence.TRANSFER if may_transfer(step, settings) else OnSilence.LISTEN
    return OnSilence.NOT_HEARD if step.silences == 1 else OnSilence.STILL_THERE


def on_delay(step: Step, settings: VoiceSettings) -> OnDelay:
    """``step.look`` counts the looks that found nothing, this one too."""
    if step.look * settings.answer_within_s >= settings.give_up_after_s:
        return OnDelay.TRANSFER if may_transfer(step, settings) else OnDelay.APOLOGISE
    return OnDelay.ONE_MOMENT if step.look % 3 == 1 else OnDelay.LOOK


def may_transfer(step: Step, settings: VoiceSettings) -> bool:
    return settings.transfer is not None and step.transfers < MOST_TRANSFERS


def _is_agent_joined(last: CallLine, tenant: Tenant) -> bool:
    parts = (tenant.texts.sentence("agent_joined", language).partition("{agent}") for language in tenant.languages)
    return any(last.text.startswith(before) and last.text.endswith(after) for before, _, after in parts)
