"""Web chat before the kit that certifies channels."""

from m2n.certify.checks import certify
from services.channels.webchat.certification import certificate


def test_nothing_is_missed() -> None:
    report = certify(certificate)
    assert not report.failed, [str(result) for result in report.results if result.findings]
