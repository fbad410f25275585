"""Outbound messages as calls of Messenger's send API.

After Meta's "Send API", "Quick replies", "Sender Actions", "Message Tags" and "Send a utility message".
"""

from datetime import timedelta
from typing import Any

import orjson

from m2n.adapters.channel import SendContext, VendorCall
from m2n.message import (
    AudioContent,
    Author,
    Button,
    ButtonsContent,
    Content,
    FileContent,
    ImageContent,
    Media,
    Outbound,
    ReactionContent,
    StickerContent,
    TemplateContent,
    TextContent,
    TypingContent,
    VideoContent,
)
from services.channels.messenger.receipts import metadata
from services.channels.messenger.settings import MessengerSettings
from services.channels.meta_core.graph import appsecret_proof

APP_SECRET, VERIFY_TOKEN, PAGE_TOKEN = "app-secret", "verify-token", "page-token"
"""Names of the connection's secrets."""
WINDOW = timedelta(hours=24)
"""Free messages are taken for so long after the customer last did something."""
HUMAN_AGENT_WINDOW = timedelta(days=7)
"""As ``WINDOW`` for what people write, where the app has the Human Agent permission."""
Body = dict[str, Any]
Variable = tuple[str, str]
_BUTTON_KINDS = {"postback": ("POSTBACK", "payload"), "url": ("URL", "url")}


def call(to: str, body: Body, context: SendContext, *, repeatable: bool = False) -> VendorCall:
    """One call to the Page's messages. The token goes as a header, so that no address shows it."""
    settings = _settings(context)
    return VendorCall(
        method="POST",
        url=f"{settings.base_url.rstrip('/')}/{settings.graph_version}/{settings.page_id}/messages{_proof(context)}",
        headers={"Accept": "application/json", "Authorization": f"Bearer {context.secrets[PAGE_TOKEN]}"},
        json=orjson.dumps({"recipient": {"id": to}, **body}),
        repeatable=repeatable,
    )


def _proof(context: SendContext) -> str:
    """The query with the proof, where the app wants it."""
    if not _settings(context).require_app_secret_proof:
        return ""
    return f"?appsecret_proof={appsecret_proof(context.secrets[APP_SECRET], context.secrets[PAGE_TOKEN])}"


def _settings(context: SendContext) -> MessengerSettings:
    return MessengerSettings.model_validate(context.connection.settings)


def rendered(message: Outbound, context: SendContext) -> VendorCall:
    """The one call that sends the message. Raises ValueError for a content that Messenger does not have."""
    to, content = message.address.to, message.content
    match content:
        case ReactionContent():
            return call(to, _reaction(content), context, repeatable=True)
        case TypingContent():
            return call(to, sender_action("typing_on" if content.on else "typing_off"), context, repeatable=True)
        case TemplateContent():
            kind = {"messaging_type": "UTILITY"}
        case _:
            kind = _messaging_type(message, context)
    shown = {**_message(content, context), "metadata": metadata(message.id)}
    return call(to, {**kind, "message": shown}, context)


def sender_action(action: str) -> Body:
    return {"sender_action": action}


def _messaging_type(message: Outbound, context: SendContext) -> Body:
    """A tag only where it is needed and allowed: any other fails, and even within the 24 hours."""
    wrote_at = message.customer_wrote_at
    late = wrote_at is not None and context.now - wrote_at > WINDOW
    if late and _settings(context).human_agent and message.author is Author.AGENT:
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {"messaging_type": "RESPONSE"}


def _message(content: Content, context: SendContext) -> Body:
    match content:
        case TextContent():
            return {"text": content.text}
        case ButtonsContent():
            return {"text": content.text, "quick_replies": [_quick_reply(button) for button in content.buttons]}
        case ImageContent() | StickerContent():
            return _attachment("image", content.media)
        case AudioContent() | VideoContent() | FileContent():
            return _attachment(content.type, content.media)
        case TemplateContent():
            return {"template": _template(content, _settings(context).template_language)}
    raise ValueError(f"content: expected one that Messenger has, not {content.type}")


def _quick_reply(button: Button) -> Body:
    return {"content_type": "text", "title": button.title, "payload": button.id}


def _attachment(kind: str, media: Media) -> Body:
    if media.url is None:
        raise ValueError("media.url: expected an address that Messenger can fetch")
    return {"attachment": {"type": kind, "payload": {"url": media.url, "is_reusable": False}}}


def _reaction(content: ReactionContent) -> Body:
    """Meta takes the same reaction twice as once."""
    if content.emoji is None:
        return {"sender_action": "unreact", "payload": {"message_id": content.target}}
    return {"sender_action": "react", "payload": {"message_id": content.target, "reaction": content.emoji}}


def _template(content: TemplateContent, default_language: str) -> Body:
    """A utility template. Variables ``postback.1`` or ``url.1`` are its buttons'; all others stand in its text: by
    position if their names are numbers, else by name.
    """
    code = (content.language or default_language).replace("-", "_")
    buttons = [variable for variable in content.variables if _kind(variable[0]) in _BUTTON_KINDS]
    words = [variable for variable in content.variables if _kind(variable[0]) not in _BUTTON_KINDS]
    parameters = {"body": _text_parameters(words), "buttons": _button_parameters(buttons)}
    components = [{"type": kind, "parameters": given} for kind, given in parameters.items() if given]
    return {"name": content.template, "language": {"code": code}, "components": components}


def _kind(name: str) -> str:
    return name.partition(".")[0]


def _text_parameters(words: list[Variable]) -> list[Body]:
    if all(_is_number(name) for name, _ in words):
        in_order = sorted(words, key=lambda variable: int(variable[0]))
        return [{"type": "text", "text": text} for _, text in in_order]
    return [{"type": "text", "parameter_name": name, "text": text} for name, text in words]


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 4


def _button_parameters(buttons: list[Variable]) -> list[Body]:
    """In the order of what stands behind the dot."""
    in_order = sorted(buttons, key=lambda variable: variable[0].partition(".")[2])
    kinds = [(*_BUTTON_KINDS[_kind(name)], value) for name, value in in_order]
    return [{"type": kind, field: value} for kind, field, value in kinds]
