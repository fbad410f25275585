"""Telegram's Bot API as the vendor behaves."""
