"""The answer to an understood message. Pure; the wording varies by how many answers were given before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m2n.bot_content import AnswerText, BotContent, Choice
from services.nlp.builtin.context import ConversationContext
from services.nlp.builtin.engine import Understanding

GREETING_INTENT = "greet"


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What the bot says and wants next. `texts` may be empty, for an intent that only hands over or ends."""

    texts: tuple[AnswerText, ...]
    intent: str | None
    confidence: float
    fallback: bool
    handover: bool
    end: bool

    @property
    def offered(self) -> tuple[Choice, ...]:
        """The choices that the customer has before them after this answer."""
        return self.texts[-1].choices if self.texts else ()


def answer(content: BotContent, result: Understanding, language: str, context: ConversationContext) -> EngineAnswer:
    """The answer in `language`, or in the content's default language where it has no text in that one.

    The first answer of a conversation starts with the greeting, if there is one; the intent `greet` is then
    not answered a second time unless it offers choices.
    """
    intent = content.intents.get(result.intent) if result.intent else None
    body = _variant(content, intent.answers if intent else content.fallback, language, context.answers_given)
    greeting = _variant(content, content.greeting, language, 0) if context.answers_given == 0 else None
    return EngineAnswer(
        texts=_texts(greeting, body, greets=result.intent == GREETING_INTENT),
        intent=result.intent if intent else None,
        confidence=result.confidence,
        fallback=intent is None,
        handover=intent.handover if intent else False,
        end=intent.end if intent else False,
    )


def _texts(greeting: AnswerText | None, body: AnswerText | None, *, greets: bool) -> tuple[AnswerText, ...]:
    if greeting is None or body is None:
        return tuple(text for text in (greeting, body) if text is not None)
    if greets and not body.choices:
        return (greeting,)
    return (AnswerText(text=greeting.text), body)


def _variant(
    content: BotContent, answers: Mapping[str, Sequence[AnswerText]], language: str, count: int
) -> AnswerText | None:
    variants = answers.get(content.language_for(language)) or answers.get(content.default_language)
    return variants[count % len(variants)] if variants else None
