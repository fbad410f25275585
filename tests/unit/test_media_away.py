"""A media store that is away is told in one way, whatever of it fails."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pymongo.errors import AutoReconnect, DuplicateKeyError

from m2n.api_errors import add_error_answers
from m2n.media import MediaLibrary
from m2n.media_store import MediaStoreUnavailable


class Records:
    """Another program makes the same record first, and then the database is gone."""

    def __init__(self) -> None:
        self.failures: list[Exception] = [DuplicateKeyError("made by another"), AutoReconnect("gone")]

    async def update_one(self, *_: Any, **__: Any) -> None:
        raise self.failures.pop(0)


class Store:
    async def write(self, key: str, content: bytes, mime: str) -> None:
        pass


async def test_record_made_by_another_and_then_no_database() -> None:
    library = MediaLibrary({"media": Records()}, Store(), "https://m2n.example", "k" * 32)  # pyright: ignore[reportArgumentType]
    with pytest.raises(MediaStoreUnavailable, match="AutoReconnect"):
        await library.save("acme", "p1", b"bytes", mime="image/png")


async def test_callers_may_try_again_what_needs_the_store() -> None:
    app = FastAPI()
    add_error_answers(app, MediaStoreUnavailable)

    @app.get("/piece")
    async def piece() -> None:
        raise MediaStoreUnavailable("away")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://m2n") as http:
        answer = await http.get("/piece")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert set(answer.json()) == {"error"}
