"""Telegram's secret token: the only proof of origin that its webhooks have."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from m2n.tenant import Connection, ConnectionKind
from services.channels.telegram.adapter import channel
from services.channels.telegram.certification import certificate
from services.channels.telegram.settings import SECRET_TOKEN
from services.channels.telegram.verify import HEADER

CONNECTION = Connection(id="acme-telegram", kind=ConnectionKind.CHANNEL, adapter="telegram")
REQUEST = certificate.request(certificate.text_message("7", "hello"))
SIGNED = certificate.sign(REQUEST, certificate.secrets, datetime(2026, 3, 2, tzinfo=UTC))


def verified(headers: Mapping[str, str], secrets: Mapping[str, str] = certificate.secrets) -> bool:
    return channel.verify(replace(SIGNED, headers=headers), CONNECTION, secrets)


def test_the_right_token_is_genuine_whatever_the_body() -> None:
    assert verified(SIGNED.headers)
    assert channel.verify(replace(SIGNED, body=b"\xff"), CONNECTION, certificate.secrets)


@pytest.mark.parametrize(
    "claimed",
    ["", "a", "a-secret_of-ours-2025", "A-SECRET_OF-OURS-2026", "a-secret_of-ours-2026 ", "ä" * 300, "\udc80"],
)
def test_any_other_token_is_not(claimed: str) -> None:
    assert not verified({HEADER: claimed})


def test_a_missing_token_is_not() -> None:
    assert not verified(REQUEST.headers)


@pytest.mark.parametrize("secrets", [{}, {SECRET_TOKEN: ""}, {SECRET_TOKEN: "another"}])
def test_without_the_secret_nothing_is_genuine(secrets: dict[str, str]) -> None:
    assert not verified(SIGNED.headers, secrets)
    assert not verified({HEADER: ""}, secrets)


@pytest.mark.parametrize(
    "wrong", [{"base_url": "ftp://x"}, {"base_url": "https://x/?a"}, {"username": "@acme"}, {"unknown": 1}], ids=str
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        channel.settings.model_validate(wrong)
