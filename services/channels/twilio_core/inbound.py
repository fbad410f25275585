"""What every inbound message through Twilio has, whatever its channel."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from m2n.message import Address, ConsentWord, Content, Hop, Identity, Inbound
from services.channels.twilio_core.form import Fields, required

E164 = re.compile(r"\+[1-9][0-9]{5,14}")
_CONSENT: Mapping[str, ConsentWord] = {word.value.upper(): word for word in ConsentWord}


@dataclass(frozen=True)
class Arrival:
    """Where a webhook came in, and when."""

    channel: str
    tenant: str
    connection: str
    at: datetime


def messages(
    found: Fields,
    arrival: Arrival,
    identities: tuple[Identity, ...],
    contents: Sequence[Content],
    *,
    display_name: str | None = None,
    reply_to: str | None = None,
) -> Iterator[Inbound]:
    """One message for each content. The first has Twilio's id, the others that id with ``#1``, ``#2``..."""
    sid, consent = required(found, "MessageSid"), consent_word(found)
    for number, content in enumerate(contents):
        yield Inbound(
            tenant=arrival.tenant,
            address=Address(connection=arrival.connection, channel=arrival.channel, to=required(found, "From")),
            vendor_message_id=f"{sid}#{number}" if number else sid,
            identities=identities,
            content=content,
            received_at=arrival.at,
            display_name=display_name,
            reply_to=reply_to,
            consent=None if number else consent,
            consent_answered=True if consent and not number else None,
            trail=(Hop(service="webhooks", did="received", at=arrival.at),),
        )


def consent_word(found: Fields) -> ConsentWord | None:
    """What Twilio took the message for, where its Advanced Opt-Out is on: it has blocked and answered by then.

    The words that count are the tenant's own at Twilio, in any language.
    """
    return _CONSENT.get(found.get("OptOutType", "").upper())


def vendor_sid(vendor_message_id: str) -> str:
    """Twilio's id of a message, without what tells several pieces of it apart."""
    return vendor_message_id.partition("#")[0]
