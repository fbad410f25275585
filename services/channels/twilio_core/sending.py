"""The call that sends one message: POST to the Messages resource of Twilio's REST API 2010-04-01."""

import orjson

from m2n.adapters.channel import Acknowledgement, VendorCall
from m2n.message import Media, TemplateContent

API_VERSION = "2010-04-01"
MAX_BODY = 1600
"""Longest text of one message in characters."""

NO_REPLY = Acknowledgement(body="<Response/>", media_type="text/xml")
"""TwiML that answers a webhook with nothing: replies go out through the send API."""

Form = list[tuple[str, str]]
"""Names and values of a call's fields, in order."""


def message_call(base_url: str, account_sid: str, token: str, form: Form) -> VendorCall:
    """Not repeatable: Twilio has no idempotency key, the same call twice sends two messages."""
    return VendorCall(
        method="POST",
        url=f"{base_url.rstrip('/')}/{API_VERSION}/Accounts/{account_sid}/Messages.json",
        headers={"Accept": "application/json"},
        auth=(account_sid, token),
        form=tuple(form),
    )


def template_form(content: TemplateContent) -> Form:
    """A content template of Twilio's; its language is part of it, and its variables are one JSON text."""
    form = [("ContentSid", content.template)]
    if content.variables:
        form.append(("ContentVariables", orjson.dumps(dict(content.variables)).decode()))
    return form


def media_form(media: Media, caption: str = "") -> Form:
    """A piece of media with the words under it. Raises ValueError when Twilio could not fetch it from anywhere."""
    if media.url is None:
        raise ValueError("media: expected an address that Twilio can fetch")
    return [*([("Body", caption)] if caption else []), ("MediaUrl", media.url)]
