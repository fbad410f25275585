"""The customer-care window: outside it free text becomes the tenant's template, or is refused in plain words."""

from datetime import datetime

from m2n.adapters.channel import Channel
from m2n.message import Outbound, TemplateContent, VendorError, plain_text
from m2n.tenant import Connection, WindowTemplate

LONGEST_IN_TEMPLATE = 900
"""Characters of a text that stand in a template's variable; the vendors allow about 1,024 for the whole of it."""
CLOSED = "m2n-window-closed"


def is_closed(message: Outbound, channel: Channel, connection: Connection, now: datetime) -> bool:
    """Whether the vendor would take nothing but a template. What is not known is left to the vendor to say."""
    if isinstance(message.content, TemplateContent) or message.customer_wrote_at is None:
        return False
    window = channel.reply_window(message.author, connection)
    return window is not None and now - message.customer_wrote_at > window


def in_template(message: Outbound, connection: Connection) -> Outbound | None:
    """The message as the tenant's template in the conversation's language, else the first; None where there is none."""
    templates = connection.window_templates
    language = message.language if message.language in templates else next(iter(templates), "")
    found = templates.get(language)
    text = " ".join(plain_text(message.content).split())
    if found is None or len(text) > LONGEST_IN_TEMPLATE or isinstance(message.content, TemplateContent):
        return None
    return message.model_copy(update={"content": _filled(found, text, language)})


def refusal() -> VendorError:
    reason = (
        "the customer wrote too long ago for free text on this channel, and the connection has no template that the "
        "text fits into; set window_templates, or wait until the customer writes"
    )
    return VendorError(code=CLOSED, reason=reason)


def _filled(template: WindowTemplate, text: str, language: str) -> TemplateContent:
    variables = tuple((name, value.replace("{text}", text)) for name, value in template.variables)
    return TemplateContent(template=template.template, language=template.language or language, variables=variables)
