"""Every installed channel passes the kit, and the deliberately broken one fails it in every category."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from m2n.certify.command import report
from m2n.certify.findings import Category, Report
from m2n.certify.lookup import by_entry_point, by_folder, installed
from m2n.certify.printing import print_reports
from tests.contract.broken_channel.certification import certificate as broken

CHANNELS = {"whatsapp_twilio", "whatsapp_cloud", "sms", "voice", "messenger", "telegram", "signal", "webchat"}


def printed(found: Report) -> str:
    out = StringIO()
    print_reports([found], Console(file=out, width=160, highlight=False, soft_wrap=True))
    return out.getvalue()


@pytest.fixture(scope="module")
def broken_report() -> Report:
    return report(by_folder(Path(__file__).parent / "broken_channel"))


def test_the_mission_s_channels_are_installed() -> None:
    assert set(installed()) >= CHANNELS


@pytest.mark.parametrize("name", installed())
def test_channel(name: str) -> None:
    found = report(by_entry_point(installed()[name]))
    assert not found.failed, printed(found)
    assert [result.category for result in found.results] == list(Category)


@pytest.mark.parametrize("category", Category)
def test_the_broken_channel_fails(broken_report: Report, category: Category) -> None:
    assert category in broken_report.failed


def test_the_report_of_the_broken_channel_can_be_read_and_shows_no_secret(broken_report: Report) -> None:
    told = printed(broken_report)
    assert told.endswith("\n0 passed, 17 failed\n")
    assert all(category.value in told for category in Category)
    assert all(secret not in told for secret in broken.secrets.values())
    for result in broken_report.results:
        for finding in result.findings:
            assert all((finding.checked, finding.expected, finding.seen, finding.do))
