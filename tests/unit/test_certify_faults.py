"""The kit passes a good adapter, and fails it for each single fault in the fault's category and no other."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from m2n.certify.certificate import Certificate
from m2n.certify.checks import certify
from m2n.certify.findings import Category, Verdict
from tests.unit.channel_faults import FAULTS, Fault
from tests.unit.model_channel import model_channel


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificate]:
    with model_channel(tmp_path_factory.mktemp("model")) as certificate:
        yield certificate


def faulty(good: Certificate, fault: Fault) -> Certificate:
    """The good certificate, of a channel that differs in what the fault replaces."""
    kind: Any = type("Faulty", (type(good.channel),), {})
    channel = kind()
    for name, member in fault(good.channel).items():
        if callable(member) and not isinstance(member, type):
            setattr(kind, name, member)
        else:
            setattr(channel, name, member)
    return replace(good, channel=channel)


def test_a_good_channel_passes_in_every_category(good: Certificate) -> None:
    report = certify(good)
    assert [(one.category, one.verdict, one.findings) for one in report.results] == [
        (category, Verdict.PASSED, ()) for category in Category
    ]


@pytest.mark.parametrize(("fault", "categories"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_channel_with_one_fault_fails_by_it(good: Certificate, fault: Fault, categories: frozenset[Category]) -> None:
    report = certify(faulty(good, fault))
    assert report.failed == categories, [one for one in report.results if one.findings]


def test_there_is_a_fault_for_every_category() -> None:
    assert {category for _, categories in FAULTS for category in categories} == set(Category)
    assert {category for _, categories in FAULTS if len(categories) == 1 for category in categories} == set(Category)
