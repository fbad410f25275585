"""The methods about a bot's webhook."""

import re
from typing import Any
from urllib.parse import urlsplit

from services.simulator.telegram.arguments import Arguments, SetWebhook
from services.simulator.telegram.bots import Bot, Webhook
from services.simulator.telegram.problems import bad

MAX_SECRET = 256


def set_webhook(bot: Bot, asked: SetWebhook) -> bool:
    """As a server of one's own, this one takes addresses with ``http://`` and any port; Telegram's wants HTTPS."""
    if asked.url and urlsplit(asked.url).scheme not in ("http", "https"):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if len(asked.secret_token) > MAX_SECRET:
        raise bad("secret token is too long")
    if re.search(r"[^A-Za-z0-9_-]", asked.secret_token):
        raise bad("secret token contains unallowed characters")
    if asked.drop_pending_updates:
        for chat in bot.chats.values():
            chat.drop_waiting("the webhook was set anew", keep=1)
    bot.webhook = Webhook(asked.url, asked.secret_token, asked.allowed_updates or None, asked.max_connections)
    return True


def webhook_info(bot: Bot, _: Arguments) -> dict[str, Any]:
    hook = bot.webhook
    shown: dict[str, Any] = {
        "url": hook.url,
        "has_custom_certificate": False,
        "pending_update_count": sum(len(chat.waiting) for chat in bot.chats.values()),
        "max_connections": hook.max_connections,
    }
    if hook.allowed is not None:
        shown["allowed_updates"] = list(hook.allowed)
    if hook.last_error_at is not None:
        shown |= {"last_error_date": int(hook.last_error_at.timestamp()), "last_error_message": hook.last_error}
    return shown
