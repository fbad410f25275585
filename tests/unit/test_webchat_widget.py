"""The widget's files: served as any page needs them, small, complete in every language, and without dangerous ways."""

import gzip
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from services.channels.webchat import widget
from services.channels.webchat.cors import WebChatCors
from tests.unit.webchat_parts import Installation

FILES = widget.files()
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "ar")
MOST_BYTES = 24 * 1024
"""Of all that one visitor loads, compressed."""


@pytest.fixture
async def pages() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(widget.router())
    app.add_middleware(WebChatCors, lookup=Installation().lookup)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://hooks.example") as client:
        yield client


async def modules(pages: httpx.AsyncClient) -> str:
    script = (await pages.get("/webchat/widget.js")).text
    found = re.search(r"_widget/[0-9a-f]{16}/", script)
    assert found is not None
    return f"/webchat/{found[0]}"


async def test_script_names_the_version_of_the_modules(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/webchat/widget.js", headers={"origin": "https://any.example"})
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "{VERSION}" not in answer.text
    again = await pages.get("/webchat/widget.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_modules_are_for_any_page_and_kept_for_ever(pages: httpx.AsyncClient) -> None:
    folder = await modules(pages)
    for name, kind in (("app.js", "text/javascript"), ("widget.css", "text/css"), ("text-de.json", "application/json")):
        answer = await pages.get(folder + name, headers={"origin": "https://any.example"})
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.content == FILES[name]


async def test_another_version_is_not_kept(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/webchat/_widget/0123456789abcdef/app.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("name", ["widget.js", "nothing.js", "..%2Fedge.py", "%2e%2e%2fedge.py"])
async def test_there_is_nothing_else(pages: httpx.AsyncClient, name: str) -> None:
    assert (await pages.get(await modules(pages) + name)).status_code == 404


def test_version_follows_from_the_content() -> None:
    changed = {**FILES, "app.js": FILES["app.js"] + b"\n"}
    assert widget.version(changed) != widget.version(FILES)
    assert widget.version(dict(reversed([*FILES.items()]))) == widget.version(FILES)


def test_all_that_is_imported_is_there() -> None:
    for name, raw in FILES.items():
        for imported in re.findall(r'from "\./([^"]+)"', raw.decode()):
            assert imported in FILES, f"{name} imports {imported}"


def test_it_is_small() -> None:
    texts = max(len(gzip.compress(raw)) for name, raw in FILES.items() if name.endswith(".json"))
    code = sum(len(gzip.compress(raw)) for name, raw in FILES.items() if not name.endswith(".json"))
    assert texts + code <= MOST_BYTES


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_complete(language: str) -> None:
    texts, english = (json.loads(FILES[f"text-{name}.json"]) for name in (language, "en"))
    assert list(texts) == list(english)
    assert texts["dir"] == ("rtl" if language == "ar" else "ltr")
    for key, text in texts.items():
        assert text.strip() == text != ""
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), key


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    code = "".join(raw.decode() for name, raw in FILES.items() if name.endswith(".js"))
    used = set(re.findall(r"\btexts\.(\w+)", code)) - {"language", "locale"}
    by_value = {"bot", "agent", "sending", "sent", "read", "failed"}
    assert used | by_value == set(json.loads(FILES["text-en.json"]))


def test_languages_are_those_of_the_code() -> None:
    listed = re.search(r"const LANGUAGES = (\[[^\]]+\])", FILES["app.js"].decode())
    assert listed is not None
    assert json.loads(listed[1]) == list(LANGUAGES)


def test_no_text_becomes_markup_or_code() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|"
        r"DOMParser|setAttribute\(\"style"
    )
    for name, raw in FILES.items():
        assert not forbidden.search(raw.decode()), name
