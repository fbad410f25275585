"""Understanding of a customer's text: buttons and known phrases first, then the trained model.

Pure once prepared: the same content and the same text give the same result.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from m2n.bot_content import BotContent, Choice, placed_choices, target_of
from m2n.text_comparison import comparison_key, normalised
from services.nlp.builtin.base_intents import base_language, with_base_intents
from services.nlp.builtin.calibration import Stage
from services.nlp.builtin.choosing import pick_exactly, pick_nearly
from services.nlp.builtin.context import ConversationContext
from services.nlp.builtin.entities import EntityFinder, EntityMatch, entity_finder
from services.nlp.builtin.scoring import IntentModel
from services.nlp.builtin.store import ModelStore
from services.nlp.builtin.training import content_hash, train

NO_CONTEXT = ConversationContext()


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a text means. `confidence` and `margin` are 0 to 1; of no match they are the best guess's."""

    intent: str | None
    confidence: float
    margin: float
    stage: Stage
    entities: tuple[EntityMatch, ...]
    known_share: float
    choice: str | None = None
    """The id of the offered choice that was picked."""


@dataclass(frozen=True, eq=False)
class LanguageBot:
    """One content in one language."""

    content: BotContent
    language: str
    model: IntentModel
    exact: Mapping[str, str]
    """Comparison key of phrases, choice titles and choice ids to the intent they mean."""
    entities: EntityFinder

    def understand(self, text: str, context: ConversationContext = NO_CONTEXT) -> Understanding:
        """What `text` means after the choices of `context` were offered."""
        chosen = pick_exactly(text, context.offered, base_language(self.language).choosing)
        if chosen is not None:
            return self._picked(chosen, 1.0, Stage.CHOICE)
        known = self.exact.get(comparison_key(text))
        if known is not None:
            return Understanding(known, 1.0, 1.0, Stage.EXACT, self.entities.find(text), 1.0)
        near = pick_nearly(text, context.offered)
        if near is not None:
            return self._picked(near.choice, near.similarity, Stage.FUZZY)
        return self._by_model(text)

    def _picked(self, choice: Choice, similarity: float, stage: Stage) -> Understanding:
        """The intent that the choice leads to, else what its title says."""
        target = target_of(choice, self.content)
        if target in self.content.intents:
            found = self.entities.find(choice.title)
            return Understanding(target, similarity, similarity, stage, found, 1.0, choice.id)
        said = self.understand(choice.title)
        return Understanding(
            said.intent, said.confidence, said.margin, stage, said.entities, said.known_share, choice.id
        )

    def _by_model(self, text: str) -> Understanding:
        plain, found = normalised(text), self.entities.find(text)
        ranking, known = self.model.rank(plain), self.model.known_share(plain)
        if ranking is None:
            return Understanding(None, 0.0, 0.0, Stage.NONE, found, known)
        stage = self.model.calibration.stage_of(ranking, known)
        intent = ranking.intent if stage is Stage.MODEL else None
        return Understanding(intent, ranking.probability, ranking.margin, stage, found, known)


@dataclass(frozen=True, eq=False)
class Bot:
    """One tenant's bot. `content` is completed by the base intents."""

    content: BotContent
    by_language: Mapping[str, LanguageBot]

    def understand(self, text: str, language: str, context: ConversationContext = NO_CONTEXT) -> Understanding:
        """What `text` means in `language`, or in the default language if the bot does not speak that one."""
        return self.by_language[self.content.language_for(language)].understand(text, context)


def prepare(content: BotContent, store: ModelStore) -> Bot:
    """Make a bot of the content, with stored models where there are some and by training where not.

    Blocks for seconds when it trains: run it in a thread. Give each tenant a store of its own.
    Raises OSError when the store cannot be written.
    """
    whole = with_base_intents(content)
    return Bot(whole, {language: _language_bot(whole, language, store) for language in whole.languages})


def _language_bot(content: BotContent, language: str, store: ModelStore) -> LanguageBot:
    phrases = {name: intent.phrases[language] for name, intent in content.intents.items() if language in intent.phrases}
    model = store.load(content_hash(language, phrases))
    if model is None:
        model = train(language, phrases)
        store.save(model)
    exact = {comparison_key(text): name for name, texts in phrases.items() for text in texts}
    return LanguageBot(content, language, model, {**_choice_keys(content), **exact}, entity_finder(content, language))


def _choice_keys(content: BotContent) -> Mapping[str, str]:
    """Ids and titles of all choices that lead to one intent, so that a button of long ago still works."""
    targets: defaultdict[str, set[str]] = defaultdict(set)
    for placed in placed_choices(content):
        target = target_of(placed.choice, content)
        if target is not None:
            for text in (placed.choice.id, placed.choice.title):
                targets[comparison_key(text)].add(target)
    return {key: next(iter(intents)) for key, intents in targets.items() if len(intents) == 1}
