"""The built-in engine as an adapter: a tenant's bot content in, answers to turns out. It needs no account."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from m2n.adapters.engine import EngineAnswer, EngineContext
from m2n.bot_content import AnswerText, BotContent, Choice, placed_choices
from m2n.events import Turn
from m2n.message import Author, Button, ButtonsContent, Content, ListContent, ListItem, TextContent, plain_text
from m2n.settings import Settings
from services.nlp.builtin import answers
from services.nlp.builtin.context import ConversationContext
from services.nlp.builtin.engine import Bot, Understanding, prepare
from services.nlp.builtin.store import ModelStore

BUTTONS_AT_MOST = 10
LIST_BUTTON = {"en": "Choose", "de": "Auswählen"}


class BuiltinSettings(BaseModel):
    """Settings of a connection to the built-in engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: BotContent


@dataclass
class _Prepared:
    version: int
    bot: Bot


@dataclass
class BuiltinEngine:
    """Holds each connection's trained bot; a new version of the content is trained when it is first asked."""

    name: str = "builtin"
    settings: type[BaseModel] = BuiltinSettings
    secrets: tuple[str, ...] = ()
    models: Path | None = None
    """Where trained models are kept; the service's data folder unless said otherwise."""
    _bots: dict[str, _Prepared] = field(default_factory=dict)
    _training: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def answer(self, turn: Turn, context: EngineContext) -> EngineAnswer:
        """One answer a line of the customer's, in their order; the same fallback twice in a row is said once."""
        bot = await self._bot(turn.session.tenant, context)
        conversation = _Conversation(bot, turn)
        for line in turn.lines:
            if line.author is Author.CUSTOMER:
                conversation.hear(plain_text(line.content))
        return conversation.answer()

    async def _bot(self, tenant: str, context: EngineContext) -> Bot:
        connection = context.connection
        async with self._training.setdefault(connection.id, asyncio.Lock()):
            kept = self._bots.get(connection.id)
            if kept is None or kept.version != context.version:
                content = BuiltinSettings.model_validate(connection.settings).content
                store = ModelStore(self._models / tenant)
                bot = await asyncio.to_thread(prepare, content, store)
                kept = self._bots[connection.id] = _Prepared(context.version, bot)
            return kept.bot

    @cached_property
    def _models(self) -> Path:
        return self.models or Settings().data_dir / "models"  # pyright: ignore[reportCallIssue]


class _Conversation:
    """The answers to one turn, gathered line by line."""

    def __init__(self, bot: Bot, turn: Turn) -> None:
        self._bot, self._session = bot, turn.session
        self._language = bot.content.language_for(turn.session.language)
        self._offered = _offered(bot.content, turn.session.choices)
        self._texts: list[AnswerText] = []
        self._given: list[answers.EngineAnswer] = []
        self._because: list[str] = []

    def hear(self, text: str) -> None:
        count = self._session.bot_answers + len(self._given)
        context = ConversationContext(offered=self._offered, answers_given=count)
        understood = self._understand(text, context)
        given = answers.answer(self._bot.content, understood, self._language, context)
        self._because.append(f"{understood.stage.value} {understood.intent or 'no intent'} {understood.confidence:.2f}")
        if not (given.fallback and self._given and self._given[-1].fallback):
            self._texts += given.texts
        self._given.append(given)
        self._offered = given.offered or self._offered

    def _understand(self, text: str, context: ConversationContext) -> Understanding:
        """In the session's language, else in the one of the bot's others that understands it best."""
        here = self._bot.understand(text, self._language, context)
        if here.intent is not None or here.choice is not None:
            return here
        others = [language for language in self._bot.content.languages if language != self._language]
        heard = [(self._bot.understand(text, language, context), language) for language in others]
        best = max(
            (pair for pair in heard if pair[0].intent is not None), key=lambda pair: pair[0].confidence, default=None
        )
        if best is None:
            return here
        self._language = best[1]
        return best[0]

    def answer(self) -> EngineAnswer:
        understood = [given for given in self._given if not given.fallback]
        last = understood[-1] if understood else None
        return EngineAnswer(
            messages=tuple(_content(text, self._language) for text in self._texts),
            intent=last.intent if last else None,
            confidence=last.confidence if last else None,
            language=self._language,
            fallback=not understood,
            handover=any(given.handover for given in understood),
            end_session=bool(last and last.end),
            because="; ".join(self._because),
        )


def _offered(content: BotContent, choices: Sequence[tuple[str, str]]) -> tuple[Choice, ...]:
    """The choices the customer has before them, with the intents that the content gives them."""
    known = {(placed.choice.id, placed.choice.title): placed.choice for placed in placed_choices(content)}
    return tuple(known.get(pair) or Choice(id=pair[0], title=pair[1]) for pair in choices)


def _content(text: AnswerText, language: str) -> Content:
    if not text.choices:
        return TextContent(text=text.text)
    if len(text.choices) <= BUTTONS_AT_MOST:
        return ButtonsContent(
            text=text.text, buttons=tuple(Button(id=choice.id, title=choice.title) for choice in text.choices)
        )
    items = tuple(ListItem(id=choice.id, title=choice.title) for choice in text.choices)
    return ListContent(text=text.text, button=LIST_BUTTON.get(language, LIST_BUTTON["en"]), items=items)


engine = BuiltinEngine()
