"""Settings of a voice connection."""

from typing import Annotated, Literal

from pydantic import Field

from m2n.tenant import Config, Language
from services.channels.twilio_core.settings import TwilioSettings
from services.channels.voice.sentences import Sentence, Sentences
from services.handover.phone.settings import Number, Target

Word = Annotated[str, Field(min_length=1, max_length=100)]


class Voice(Config):
    """How a language is spoken and understood, in Twilio's names. None: Twilio's own choice."""

    code: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] | None = None
    """As in ``en-GB``; None: the usual one of the language."""
    voice: Word | None = None
    """As in ``Polly.Amy-Neural``."""
    speech_model: Word | None = None
    tts_provider: Word | None = None
    """ConversationRelay only, as the next."""
    transcription_provider: Word | None = None


class VoiceSettings(TwilioSettings):
    """Calls need nothing of ``base_url`` today."""

    number: Number
    """The business's own number, as in ``+15550100001``."""
    mode: Literal["gather", "relay"] = "gather"
    """``gather``: Twilio asks us after each sentence. ``relay``: words flow over a WebSocket (ConversationRelay)."""
    language: Language = "en"
    """In which a call begins."""
    languages: dict[Language, Voice] = {}
    """How each language is spoken; with ``relay`` also the ones that a caller may speak beside the first."""
    greeting: dict[Language, Sentence] = {}
    fallback: dict[Language, Sentence] = {}
    """Said when the installation fails while somebody is on the line."""
    sentences: Sentences = Sentences()
    """What else the line itself says, where the usual words do not fit."""
    hints: Annotated[tuple[Word, ...], Field(max_length=500)] = ()
    """Words that callers are likely to say."""
    transfer: Target | None = None
    """A human for callers whom nobody answers or understands; also what the desk ``phone`` uses."""
    answer_within_s: Annotated[float, Field(ge=0.1, le=8)] = 5
    """After so many seconds without an answer the caller hears 'one moment'. Twilio waits for 15 s in all."""
    give_up_after_s: Annotated[float, Field(ge=1, le=300)] = 45
    """Nobody has answered for so long: transfer, or an apology."""
    silence_s: Annotated[int, Field(ge=1, le=30)] = 6
    """So long a caller may be silent before the line says something or looks for news."""
    hang_up_after_s: Annotated[int, Field(ge=1, le=3600)] = 180
    """A caller silent for so long is hung up on. Longer than a tenant's ``assign_timeout_s``, or nobody can be
    waited for."""
    human_hang_up_after_s: Annotated[int, Field(ge=1, le=14_400)] = 900
    """The same while an agent types."""

    def voice_of(self, language: str) -> Voice:
        return self.languages.get(language) or self.languages.get(language.partition("-")[0]) or Voice()
