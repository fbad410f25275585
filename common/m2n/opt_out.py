"""The words with which customers say that they do not want to hear from a business any more, and that they do again.

A word counts only when it is the whole message. Where the vendor minds the words (Twilio), its list is the one that
counts (Twilio, "Customize users' opt-in and opt-out experience with Advanced Opt-Out"). Elsewhere the lists are ours,
without words that a conversation has other uses for, such as CANCEL and END; a tenant may name words of its own.
"""

import unicodedata
from collections.abc import Iterable, Mapping

from m2n.adapters.capabilities import OptOut
from m2n.message import ConsentWord, Content, TextContent

VENDOR_WORDS: Mapping[ConsentWord, tuple[str, ...]] = {
    ConsentWord.STOP: ("stop", "unsubscribe", "end", "quit", "stopall", "revoke", "optout", "cancel"),
    ConsentWord.START: ("start", "yes", "unstop"),
    ConsentWord.HELP: ("help", "info"),
}
STOP_WORDS: Mapping[str, tuple[str, ...]] = {
    "en": ("stop", "stop all", "stopall", "unsubscribe", "opt out", "optout"),
    "de": ("stopp", "abmelden", "abbestellen", "keine nachrichten mehr"),
    "fr": ("arrêt", "arret", "désabonner", "se désabonner"),
    "es": ("baja", "alto", "parar", "cancelar suscripción"),
    "it": ("ferma", "disiscrivi", "annulla iscrizione"),
    "nl": ("stoppen", "afmelden", "uitschrijven"),
    "pt": ("parar", "pare", "sair", "descadastrar"),
    "ar": ("توقف", "إلغاء الاشتراك"),
}
START_WORDS: Mapping[str, tuple[str, ...]] = {
    "en": ("start", "unstop", "subscribe", "opt in"),
    "de": ("anmelden", "starten"),
    "fr": ("démarrer", "reprendre"),
    "es": ("alta", "iniciar"),
    "it": ("inizia", "riprendi"),
    "nl": ("starten", "aanmelden"),
    "pt": ("iniciar", "começar"),
    "ar": ("ابدأ", "اشتراك"),
}


def consent_word(
    content: Content, minded_by: OptOut, own_stop: Iterable[str] = (), own_start: Iterable[str] = ()
) -> ConsentWord | None:
    """What the message says about consent on a channel whose words are minded by that side; None for any other.

    All languages count at once: a customer says STOP in whatever language. ``own_stop`` and ``own_start`` are the
    tenant's further words.
    """
    if minded_by is OptOut.NONE or not isinstance(content, TextContent):
        return None
    word = _plain(content.text)
    if minded_by is OptOut.VENDOR:
        return next((meant for meant, words in VENDOR_WORDS.items() if word in words), None)
    if word in _STOP or word in map(_plain, own_stop):
        return ConsentWord.STOP
    if word in _START or word in map(_plain, own_start):
        return ConsentWord.START
    return None


def _plain(text: str) -> str:
    """Without case, white space at the ends and what is written behind a word."""
    return unicodedata.normalize("NFKC", text[:100]).casefold().strip().rstrip(".!").strip() if len(text) < 100 else ""


_STOP = frozenset(_plain(word) for words in STOP_WORDS.values() for word in words)
_START = frozenset(_plain(word) for words in START_WORDS.values() for word in words)
