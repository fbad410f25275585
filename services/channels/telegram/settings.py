"""Settings and secrets of a Telegram connection, which is one bot."""

from typing import Annotated

from pydantic import Field

from m2n.tenant import Config, Connection, HttpAddress

BOT_TOKEN = "bot-token"  # noqa: S105 - the secret's name
SECRET_TOKEN = "secret-token"  # noqa: S105 - the secret's name


class TelegramSettings(Config):
    username: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{3,31}$")] | None = None
    """The bot's name without ``@``, for people: ``https://t.me/<username>`` opens a conversation with it."""
    base_url: HttpAddress = "https://api.telegram.org"
    """Base address of the Bot API; a Bot API server of one's own and stand-ins have another."""


def settings_of(connection: Connection) -> TelegramSettings:
    return TelegramSettings.model_validate(connection.settings)
