"""The parts of the simulator's page fit together; what it does in a browser is tried elsewhere."""

import re
from pathlib import Path

import httpx
import pytest

from services.simulator.app import create_app
from services.simulator.page import FOLDER, STATIC

TEMPLATE = (FOLDER / "templates" / "customers.html").read_text(encoding="utf-8")
SCRIPTS = sorted(STATIC.glob("*.js"))
CLASSES = {name for found in re.findall(r'class="([^"]+)"', TEMPLATE) for name in found.split()}


def names(pattern: str, script: str) -> set[str]:
    return set(re.findall(pattern, (STATIC / script).read_text(encoding="utf-8")))


async def test_page_and_all_that_it_loads_are_served() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url="http://s") as http:
        page = await http.get("/")
        loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        answers = [await http.get(path) for path in loaded]
    assert page.status_code == 200
    assert {Path(path).suffix for path in loaded} == {".css", ".js", ".svg"}
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_load_what_is_there_and_nothing_from_elsewhere(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    imported = re.findall(r'import .* from "([^"]+)"', text)
    assert all((STATIC / name).is_file() for name in imported)
    assert set(re.findall(r"https?://[^\s\"'`?]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_page_finds_its_places_by_their_ids() -> None:
    wanted = names(r'\w+: "(\w+)"[,} ]', "page.js") & names(r'(?:add|line|live|cards|nothing): "(\w+)"', "page.js")
    assert wanted == {"cards", "add", "line", "live", "nothing"}
    assert wanted <= set(re.findall(r'id="(\w+)"', TEMPLATE))


def test_card_finds_its_parts_by_their_classes() -> None:
    wanted = names(r'(?:part|root\.querySelector)\("\.([\w-]+)"\)', "card.js")
    assert {"thread", "choices", "keypad", "call", "picture", "place"} <= wanted
    assert wanted <= CLASSES


def test_every_button_of_a_card_has_a_name() -> None:
    named = r'aria-label="|title="'
    unnamed = [
        tag for tag in re.findall(r"<button[^>]*>", TEMPLATE) if "primary" not in tag and not re.search(named, tag)
    ]
    assert unnamed == []
