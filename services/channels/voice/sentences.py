"""What the line itself says: short sentences for what only exists in a call. Everything else comes from the lane."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from m2n.tenant import Config, Language

Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
OTHERWISE = "en"


class Sentences(Config):
    """A tenant's own words, by language."""

    one_moment: dict[Language, Sentence] = {}
    """The answer takes long."""
    not_heard: dict[Language, Sentence] = {}
    """Nothing was heard."""
    still_there: dict[Language, Sentence] = {}
    say_again: dict[Language, Sentence] = {}
    """What the caller said got lost."""
    no_answer: dict[Language, Sentence] = {}
    """Nobody answered for too long."""
    goodbye: dict[Language, Sentence] = {}
    """Before a silent caller is hung up on."""
    hold: dict[Language, Sentence] = {}
    """In a queue, now and then."""
    press: dict[Language, Sentence] = {}
    """A choice: ``{title}`` and ``{number}`` stand for its name and its key."""
    not_on_phone: dict[Language, Sentence] = {}
    """A message of which nothing can be spoken, such as a picture."""
    whisper: dict[Language, Sentence] = {}
    """To the human who takes a call: ``{tenant}``, ``{reason}`` and ``{words}`` stand for what it is about."""


@dataclass(frozen=True)
class Spoken:
    """Words and the language that they are in."""

    text: str
    language: str


def sentence(name: str, own: Mapping[str, str], language: str, **values: str) -> Spoken:
    """The tenant's sentence, else the built-in one, in the language; where there is neither, in English."""
    short = language.partition("-")[0]
    built_in = BUILT_IN[name]
    text = own.get(language) or own.get(short) or built_in.get(short)
    spoken = Spoken(text, language) if text else Spoken(own.get(OTHERWISE) or built_in[OTHERWISE], OTHERWISE)
    for key, value in values.items():
        spoken = Spoken(spoken.text.replace(f"{{{key}}}", value), spoken.language)
    return spoken


BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "greeting": {
        "en": "Hello. How can I help you?",
        "de": "Guten Tag. Wie kann ich Ihnen helfen?",
        "fr": "Bonjour. Comment puis-je vous aider ?",
        "es": "Hola. ¿En qué puedo ayudarle?",
        "it": "Buongiorno. Come posso aiutarla?",
        "nl": "Goedendag. Waarmee kan ik u helpen?",
        "pt": "Olá. Como posso ajudar?",
    },
    "fallback": {
        "en": "I am sorry, something is not working at our end. Please stay on the line.",
        "de": "Es tut mir leid, bei uns funktioniert gerade etwas nicht. Bitte bleiben Sie in der Leitung.",
        "fr": "Je suis désolé, nous avons un problème technique. Merci de rester en ligne.",
        "es": "Lo siento, tenemos un problema técnico. Por favor, no cuelgue.",
        "it": "Mi dispiace, abbiamo un problema tecnico. Resti in linea, per favore.",
        "nl": "Het spijt me, er gaat bij ons iets mis. Blijf alstublieft aan de lijn.",
        "pt": "Lamento, temos um problema técnico. Por favor, não desligue.",
    },
    "sorry_bye": {
        "en": "I am sorry, we cannot help you by telephone just now. Please call again later. Goodbye.",
        "de": "Es tut mir leid, wir können Ihnen am Telefon gerade nicht helfen. "
        "Bitte rufen Sie später noch einmal an. Auf Wiederhören.",
        "fr": "Je suis désolé, nous ne pouvons pas vous aider par téléphone pour le moment. "
        "Merci de rappeler plus tard. Au revoir.",
        "es": "Lo siento, ahora no podemos atenderle por teléfono. Por favor, llame más tarde. Adiós.",
        "it": "Mi dispiace, al momento non possiamo aiutarla al telefono. Richiami più tardi. Arrivederci.",
        "nl": "Het spijt me, we kunnen u nu niet telefonisch helpen. Bel later nog eens. Tot ziens.",
        "pt": "Lamento, agora não podemos ajudar por telefone. Por favor, ligue mais tarde. Adeus.",
    },
    "one_moment": {
        "en": "One moment, please.",
        "de": "Einen Moment bitte.",
        "fr": "Un instant, s'il vous plaît.",
        "es": "Un momento, por favor.",
        "it": "Un momento, per favore.",
        "nl": "Een ogenblik, alstublieft.",
        "pt": "Um momento, por favor.",
    },
    "not_heard": {
        "en": "Sorry, I did not hear anything. Please say it again.",
        "de": "Entschuldigung, ich habe nichts gehört. Bitte sagen Sie es noch einmal.",
        "fr": "Pardon, je n'ai rien entendu. Pouvez-vous répéter ?",
        "es": "Perdón, no he oído nada. ¿Puede repetirlo?",
        "it": "Mi scusi, non ho sentito. Può ripetere?",
        "nl": "Sorry, ik heb niets gehoord. Kunt u het herhalen?",
        "pt": "Desculpe, não ouvi nada. Pode repetir?",
    },
    "still_there": {
        "en": "Are you still there?",
        "de": "Sind Sie noch da?",
        "fr": "Êtes-vous toujours là ?",
        "es": "¿Sigue ahí?",
        "it": "È ancora in linea?",
        "nl": "Bent u er nog?",
        "pt": "Ainda está em linha?",
    },
    "say_again": {
        "en": "Sorry, I lost what you said. Please say it again.",
        "de": "Entschuldigung, das ist bei mir nicht angekommen. Bitte sagen Sie es noch einmal.",
        "fr": "Pardon, je n'ai pas bien reçu. Pouvez-vous répéter ?",
        "es": "Perdón, no me ha llegado. ¿Puede repetirlo?",
        "it": "Mi scusi, non ho ricevuto. Può ripetere?",
        "nl": "Sorry, dat is niet aangekomen. Kunt u het herhalen?",
        "pt": "Desculpe, não recebi o que disse. Pode repetir?",
    },
    "no_answer": {
        "en": "I am sorry, I have no answer yet. Please try it once more.",
        "de": "Es tut mir leid, ich habe noch keine Antwort. Bitte versuchen Sie es noch einmal.",
        "fr": "Je suis désolé, je n'ai pas encore de réponse. Veuillez réessayer.",
        "es": "Lo siento, todavía no tengo respuesta. Por favor, inténtelo de nuevo.",
        "it": "Mi dispiace, non ho ancora una risposta. Provi di nuovo.",
        "nl": "Het spijt me, ik heb nog geen antwoord. Probeer het nog eens.",
        "pt": "Lamento, ainda não tenho resposta. Por favor, tente de novo.",
    },
    "goodbye": {
        "en": "I cannot hear you, so I am hanging up now. Goodbye.",
        "de": "Ich kann Sie nicht hören und lege jetzt auf. Auf Wiederhören.",
        "fr": "Je ne vous entends pas, je raccroche. Au revoir.",
        "es": "No le oigo, así que voy a colgar. Adiós.",
        "it": "Non la sento, quindi riaggancio. Arrivederci.",
        "nl": "Ik hoor u niet, dus ik hang nu op. Tot ziens.",
        "pt": "Não o ouço, por isso vou desligar. Adeus.",
    },
    "hold": {
        "en": "Please stay on the line, you will be connected as soon as somebody is free.",
        "de": "Bitte bleiben Sie in der Leitung, Sie werden verbunden, sobald jemand frei ist.",
        "fr": "Merci de rester en ligne, nous vous mettons en relation dès que possible.",
        "es": "Por favor, no cuelgue; le atenderemos en cuanto sea posible.",
        "it": "Resti in linea, sarà messo in contatto appena possibile.",
        "nl": "Blijf aan de lijn, u wordt doorverbonden zodra iemand vrij is.",
        "pt": "Por favor, aguarde em linha; será atendido assim que possível.",
    },
    "press": {
        "en": "For {title}, press {number}.",
        "de": "Für {title}, drücken Sie die {number}.",
        "fr": "Pour {title}, tapez {number}.",
        "es": "Para {title}, pulse {number}.",
        "it": "Per {title}, prema {number}.",
        "nl": "Voor {title}, toets {number}.",
        "pt": "Para {title}, prima {number}.",
    },
    "not_on_phone": {
        "en": "There is something here that I can only show in writing.",
        "de": "Hier ist etwas, das ich nur schriftlich zeigen kann.",
        "fr": "Il y a ici quelque chose que je ne peux montrer que par écrit.",
        "es": "Aquí hay algo que solo puedo mostrar por escrito.",
        "it": "Qui c'è qualcosa che posso mostrare solo per iscritto.",
        "nl": "Hier is iets dat ik alleen schriftelijk kan laten zien.",
        "pt": "Há aqui algo que só posso mostrar por escrito.",
    },
    "whisper": {
        "en": "A caller of {tenant}. {reason} {words}",
        "de": "Ein Anruf für {tenant}. {reason} {words}",
    },
    "last_words": {"en": "The caller said: {text}", "de": "Zuletzt gesagt: {text}"},
    "customer_asked": {"en": "The caller asked for a human.", "de": "Es wurde nach einem Menschen gefragt."},
    "intent": {"en": "The request needs a human.", "de": "Das Anliegen braucht einen Menschen."},
    "engine_signal": {"en": "The assistant asked for help.", "de": "Der Assistent bittet um Hilfe."},
    "fallbacks_in_a_row": {"en": "The assistant did not understand.", "de": "Der Assistent hat nicht verstanden."},
    "pinned": {"en": "All calls go to a human.", "de": "Alle Anrufe gehen an Menschen."},
    "engine_failed": {"en": "The assistant did not work.", "de": "Der Assistent war gestört."},
}
"""Without a language of the caller's the English one is said, in an English voice."""
