"""The system's own sentences to customers, per language; a tenant may override each."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sentence = Annotated[str, Field(min_length=1, max_length=1000)]


class SystemTexts(BaseModel):
    """Overrides of the built-in sentences: language -> sentence. ``{agent}`` stands for the agent's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    handover_requested: dict[str, Sentence] = {}
    agent_joined: dict[str, Sentence] = {}
    agent_left: dict[str, Sentence] = {}
    nobody_available: dict[str, Sentence] = {}
    closed: dict[str, Sentence] = {}
    engine_failed: dict[str, Sentence] = {}
    opted_out: dict[str, Sentence] = {}
    opted_in: dict[str, Sentence] = {}

    def sentence(self, name: str, language: str, **values: str) -> str:
        """The tenant's sentence, else the built-in one, in the language or else in English."""
        own: dict[str, str] = getattr(self, name)
        built_in = _BUILT_IN[name]
        short = language.split("-")[0]
        text = own.get(language) or own.get(short) or built_in.get(short) or next(iter(own.values()), built_in["en"])
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text


_BUILT_IN: dict[str, dict[str, str]] = {
    "handover_requested": {
        "en": "I am asking a colleague to take over. Please stay with us for a moment.",
        "de": "Ich hole eine Kollegin oder einen Kollegen dazu. Einen Moment bitte.",
    },
    "agent_joined": {"en": "You are now talking to {agent}.", "de": "Sie sprechen jetzt mit {agent}."},
    "agent_left": {
        "en": "The conversation with our team has ended. I am the assistant again, ask me anything.",
        "de": "Das Gespräch mit unserem Team ist beendet. Ab hier antwortet wieder der Assistent.",
    },
    "nobody_available": {
        "en": "I am sorry, nobody is free right now. I will keep helping as well as I can.",
        "de": "Es tut mir leid, gerade ist niemand frei. Ich helfe weiter, so gut ich kann.",
    },
    "closed": {
        "en": "Our team is not available at this time of day. I will keep helping as well as I can.",
        "de": "Unser Team ist zu dieser Zeit nicht erreichbar. Ich helfe weiter, so gut ich kann.",
    },
    "engine_failed": {
        "en": "I am sorry, I could not answer that just now. Please try again in a moment.",
        "de": "Es tut mir leid, das konnte ich gerade nicht beantworten. Bitte versuchen Sie es gleich noch einmal.",
    },
    "opted_out": {
        "en": "You will not get any more messages from us. Write START if you change your mind.",
        "de": "Sie bekommen keine Nachrichten mehr von uns. Schreiben Sie START, wenn Sie es sich anders überlegen.",
        "fr": "Vous ne recevrez plus de messages de notre part. Écrivez START si vous changez d'avis.",
        "es": "No recibirá más mensajes nuestros. Escriba START si cambia de opinión.",
        "it": "Non riceverà più nostri messaggi. Scriva START se cambia idea.",
        "nl": "U krijgt geen berichten meer van ons. Schrijf START als u van gedachten verandert.",
        "pt": "Não receberá mais mensagens nossas. Escreva START se mudar de ideia.",
    },
    "opted_in": {
        "en": "Welcome back, you get our messages again. Write STOP to end them.",
        "de": "Willkommen zurück, Sie bekommen unsere Nachrichten wieder. Mit STOP enden sie.",
        "fr": "Bon retour, vous recevez de nouveau nos messages. Écrivez STOP pour les arrêter.",
        "es": "Bienvenido de nuevo, vuelve a recibir nuestros mensajes. Escriba STOP para dejar de recibirlos.",
        "it": "Bentornato, riceve di nuovo i nostri messaggi. Scriva STOP per non riceverli più.",
        "nl": "Welkom terug, u krijgt onze berichten weer. Schrijf STOP om ze te beëindigen.",
        "pt": "Bem-vindo de volta, recebe de novo as nossas mensagens. Escreva STOP para as terminar.",
    },
}
