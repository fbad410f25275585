"""The certificate of ``whatsapp_twilio`` and its goldens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.channels.whatsapp_twilio.certification import certificate
from tests.unit import twilio_certificates as claims


@pytest.mark.parametrize("fixture", claims.fixtures(certificate), ids=lambda path: path.stem)
def test_golden(fixture: Path) -> None:
    assert claims.read(certificate, fixture) == claims.golden(fixture)


def test_every_golden_has_its_fixture() -> None:
    goldens = {path.name.removesuffix(".golden.json") for path in certificate.fixtures.glob("*.golden.json")}
    assert goldens == {path.stem for path in claims.fixtures(certificate)}


@pytest.mark.parametrize(
    "check",
    [
        claims.check_signature,
        claims.check_webhook_by_get,
        claims.check_messages,
        claims.check_statuses,
        claims.check_answers,
    ],
)
def test_claims(check: claims.Check) -> None:
    check(certificate)


odd = ["", "0", "1", "10", "11", "nan", "1e999", "failed", "[::1]", "x" * 5000, claims.SECRET]
values = st.text(max_size=40) | st.sampled_from(odd)


@given(st.dictionaries(st.sampled_from(claims.NAMES), values, max_size=8))
def test_any_form(fields: dict[str, str]) -> None:
    claims.check_any_form(certificate, fields)
