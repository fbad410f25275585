"""Telegram's stand-in: bots, the people who write to them, and what becomes of either's messages."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.telegram import api
from services.simulator.telegram.bots import Bot, Chat, Posted, bot_of, person_id
from services.simulator.telegram.doing import Customer, Event
from services.simulator.telegram.methods import Methods
from services.simulator.telegram.posting import Poster
from services.simulator.vendors import Line, Said, SaidAnswer, facts


class Telegram:
    """``unit_s``: seconds of the first gap before an update that was not taken is posted again."""

    channel: str = api.CHANNEL
    title: str = "Telegram"

    def __init__(self, state: State, unit_s: float = 1.0) -> None:
        self._state, self._bots = state, dict[str, Bot]()
        self._methods = Methods(state)
        self._poster = Poster(state, self._methods.run, unit_s)

    def routers(self) -> Sequence[APIRouter]:
        return (api.router(self._state, self._methods, self._bots),)

    def enter(self, line: Line) -> None:
        bot = bot_of(line)
        other = self._bots.get(bot.token)
        if other is not None and other.line.connection != line.connection:
            raise ValueError("secrets.bot-token: another line has this bot; a bot has one webhook")
        known = self._known(line)
        if known is not None:
            del self._bots[known.token]
            known.line, known.token, known.webhook = line, bot.token, bot.webhook
        self._bots[bot.token] = known or bot

    def forget(self) -> None:
        for bot in self._bots.values():
            bot.forget()

    async def say(self, line: Line, customer: str, said: Said, base_url: str) -> SaidAnswer:
        """``extra`` may have ``block`` (true or false), ``language``, and ``message``: other fields of a message."""
        n, bot = self._state.ledger.last, self._bots[line.secrets["bot-token"]]
        chat = bot.chats.get(person_id(customer))
        known = chat or Chat(person_id(customer), customer)
        events = self._events(bot, known, said)
        bot.chats[known.id] = known
        answers = [await self._post(bot, known, event) for event in events]
        worst = next((posted for posted in answers if not posted.taken), answers[0])
        return SaidAnswer(message_id=events[0].name, n=n, **vars(worst))

    def _known(self, line: Line) -> Bot | None:
        return next((bot for bot in self._bots.values() if bot.line.connection == line.connection), None)

    def _events(self, bot: Bot, chat: Chat, said: Said) -> list[Event]:
        """What the customer does; with the id of something that was done before, the very same."""
        name = f"{chat.id} {said.message_id}" if said.message_id else ""
        if name and name in bot.repeats:
            return bot.repeats[name]
        events = list(Customer(bot, chat, said, self._state.now()).events())
        for event in events:
            bot.repeats[f"{chat.id} {event.name}"] = [event]
        if name:
            bot.repeats[name] = events
        return events

    async def _post(self, bot: Bot, chat: Chat, event: Event) -> Posted:
        self._state.ledger.add(Kind.INBOUND, chat.customer, **facts(bot.line, event.name, **event.facts))
        if not bot.webhook.wants(event.kind):
            return Posted(None, 0, 0, f"allowed_updates: the webhook is not set for {event.kind}")
        return await self._poster.post(bot, chat, event)
