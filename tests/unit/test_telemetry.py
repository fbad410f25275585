"""What is logged, and what is not."""

import logging
from collections.abc import Iterator

import pytest
import uvicorn

from m2n.telemetry import configure_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    before = root.handlers[:], root.level, access.handlers[:], access.propagate
    yield
    root.handlers, root.level, access.handlers, access.propagate = before


@pytest.mark.parametrize("wanted", [True, False])
def test_requests_are_logged_only_where_the_server_was_told_so(wanted: bool) -> None:
    uvicorn.Config("x:app", access_log=wanted)
    configure_logging("webhooks", "INFO")
    assert logging.getLogger("uvicorn.access").hasHandlers() is wanted
