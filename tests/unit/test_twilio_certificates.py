"""The certificates of Twilio's channels and their goldens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2n.certify.certificate import Certificate
from services.channels.sms.certification import certificate as sms
from services.channels.whatsapp_twilio.certification import certificate as whatsapp
from tests.unit import twilio_certificates as claims

CERTIFICATES = (sms, whatsapp)


def named(value: object) -> str | None:
    if isinstance(value, Certificate):
        return value.channel.name
    return value.stem if isinstance(value, Path) else None


each = pytest.mark.parametrize("certificate", CERTIFICATES, ids=named)


@pytest.mark.parametrize(
    ("certificate", "fixture"),
    [(certificate, fixture) for certificate in CERTIFICATES for fixture in claims.fixtures(certificate)],
    ids=named,
)
def test_golden(certificate: Certificate, fixture: Path) -> None:
    assert claims.read(certificate, fixture) == claims.golden(fixture)


@each
def test_every_golden_has_its_fixture(certificate: Certificate) -> None:
    goldens = {path.name.removesuffix(".golden.json") for path in certificate.fixtures.glob("*.golden.json")}
    assert goldens == {path.stem for path in claims.fixtures(certificate)}


@each
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
def test_claims(certificate: Certificate, check: claims.Check) -> None:
    check(certificate)


odd = ["", "0", "1", "10", "11", "nan", "1e999", "failed", "[::1]", "x" * 5000, claims.SECRET]
values = st.text(max_size=40) | st.sampled_from(odd)


@each
@given(fields=st.dictionaries(st.sampled_from(claims.NAMES), values, max_size=8))
def test_any_form(certificate: Certificate, fields: dict[str, str]) -> None:
    claims.check_any_form(certificate, fields)
