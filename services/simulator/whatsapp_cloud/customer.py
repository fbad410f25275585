"""A customer writes: the webhook for it, and what Meta remembers."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.vendors import Said, SaidAnswer, facts
from services.simulator.whatsapp_cloud.media import Shelf
from services.simulator.whatsapp_cloud.memory import Memory, new_id
from services.simulator.whatsapp_cloud.numbers import Number
from services.simulator.whatsapp_cloud.people import Person, person
from services.simulator.whatsapp_cloud.saying import Extra, Message, beside, contents, extra_of, kind_of
from services.simulator.whatsapp_cloud.webhooks import Webhooks


@dataclass(frozen=True)
class Spoken:
    """A message with who wrote it."""

    who: Person
    said: Said
    message: Message


@dataclass(frozen=True)
class Customers:
    state: State
    memory: Memory
    shelf: Shelf
    webhooks: Webhooks

    async def say(self, number: Number, customer: str, said: Said) -> SaidAnswer:
        """Raises ValueError for what the channel does not have."""
        n, extra = self.state.ledger.last, extra_of(said)
        if extra.marketing:
            return await self._set_marketing(number, customer, said, extra, n)
        spoken = await self._spoken(number, customer, said, extra)
        for one in beside(extra):
            spoken += await self._spoken(number, one.customer or customer, one, extra_of(one))
        for one in spoken:
            self._remember(number, one)
        id_ = spoken[0].message["id"]
        posted = await self.webhooks.post(number, customer, id_, _webhook(number, spoken), Kind.WEBHOOK)
        return SaidAnswer(message_id=id_, n=n, **vars(posted))

    async def _spoken(self, number: Number, customer: str, said: Said, extra: Extra) -> list[Spoken]:
        """The first message has the wished id; where the same is sent again there is mostly one."""
        who, now = person(number, customer, said.name, extra.bsuid), self.state.now()
        pieces = [await self.shelf.put(number.phone_number_id, media, now) for media in said.media]
        ids = [said.message_id] if said.message_id else []
        head = {**who.sender, "timestamp": str(int(now.timestamp()))}
        return [
            Spoken(who, said, {**head, "id": (ids.pop() if ids else new_id()), **content})
            for content in contents(said, extra, pieces)
        ]

    def _remember(self, number: Number, spoken: Spoken) -> None:
        who, id_ = spoken.who, str(spoken.message["id"])
        self.memory.people.meet(number, who)
        self.memory.wrote_at[number.phone_number_id, who.customer] = self.state.now()
        self.memory.messages[id_] = who.customer
        self.state.ledger.add(Kind.INBOUND, who.customer, **_shown(number, spoken, id_))

    async def _set_marketing(self, number: Number, customer: str, said: Said, extra: Extra, n: int) -> SaidAnswer:
        """The customer's setting in WhatsApp, of which a webhook of another field tells."""
        who, key = person(number, customer, said.name, extra.bsuid), (number.phone_number_id, customer)
        change = self.memory.no_marketing.add if extra.marketing == "stop" else self.memory.no_marketing.discard
        change(key)
        wish = {"category": "marketing_messages", "value": extra.marketing}
        told = who.ids | wish | {"timestamp": int(self.state.now().timestamp())}
        value = {"contacts": [who.contact], "user_preferences": [told]}
        id_, payload = new_id(), number_webhook(number, value, field="user_preferences")
        posted = await self.webhooks.post(number, customer, id_, payload, Kind.WEBHOOK)
        return SaidAnswer(message_id=id_, n=n, **vars(posted))


def number_webhook(number: Number, *values: dict[str, Any], field: str = "messages") -> dict[str, Any]:
    """A webhook about that number: an entry for each value."""
    around = {"messaging_product": "whatsapp", "metadata": number.metadata}
    entries = [{"id": number.waba_id, "changes": [{"value": around | value, "field": field}]} for value in values]
    return {"object": "whatsapp_business_account", "entry": entries}


def _webhook(number: Number, spoken: list[Spoken]) -> dict[str, Any]:
    """What one customer says in a row is in one entry."""
    values = []
    for who, messages in groupby(spoken, key=lambda one: one.who):
        values.append({"contacts": [who.contact], "messages": [one.message for one in messages]})
    return number_webhook(number, *values)


def _shown(number: Number, spoken: Spoken, id_: str) -> dict[str, Any]:
    said, message = spoken.said, spoken.message
    kind, content = message["type"], message.get(message["type"])
    sent = [one.url for one in said.media] if isinstance(content, dict) and "mime_type" in content else []
    looks = kind_of(content["mime_type"]) in ("image", "sticker") if sent and isinstance(content, dict) else False
    return facts(
        number.line,
        id_,
        text=_words(said, kind, content),
        pictures=sent if looks else (),
        files=() if looks else sent,
        place=said.location.model_dump() if kind == "location" and said.location else None,
        name=spoken.who.name,
        type=kind,
        reply_to=said.reply_to,
    )


def _words(said: Said, kind: str, content: Any) -> str:
    if kind == "text" and isinstance(content, dict):
        return str(content.get("body", ""))
    if kind in ("interactive", "button") and said.choice:
        return said.choice.title
    if kind == "edit" and said.edit:
        return said.edit.text
    if kind == "reaction" and said.reaction:
        return said.reaction.emoji or ""
    return str(content.get("caption", "")) if isinstance(content, dict) else ""
