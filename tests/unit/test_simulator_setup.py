"""The simulator keeps its setup over a restart, in a file that only its owner may read, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.simulator.app import create_app
from services.simulator.setup_file import SetupFile

ACCOUNT, TEST_ACCOUNT = "AC" + "0" * 31 + "1", "AC" + "0" * 31 + "3"
SENDER = {
    "sender": "whatsapp:+15550100001",
    "account_sid": ACCOUNT,
    "webhook_url": "http://127.0.0.1:9/hook",
    "title": "Büro",
}
WEBCHAT = {"connection": "acme-web", "base_url": "http://127.0.0.1:9", "title": "Acme"}
MESSAGE = {"From": "whatsapp:+15550100001", "To": "whatsapp:+15550100002", "Body": "hello"}


@asynccontextmanager
async def running(path: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    """A simulator with that file, from start to end."""
    app = create_app(SetupFile(path))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://s") as http:
        yield http


async def ask(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> None:
    (await http.request(method, path, json=body)).raise_for_status()


async def set_up(http: httpx.AsyncClient) -> None:
    await ask(http, "PUT", f"/control/accounts/{ACCOUNT}", token="one")
    await ask(http, "PUT", f"/control/accounts/{TEST_ACCOUNT}", token="three", test=True)
    await ask(http, "POST", "/control/senders", **SENDER)
    await ask(http, "POST", "/control/webchats", **WEBCHAT)
    await ask(http, "PUT", "/control/strangers", wrote=True)


async def send(http: httpx.AsyncClient) -> int:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    return (await http.post(path, data=MESSAGE, auth=(ACCOUNT, "one"))).status_code


async def seen(http: httpx.AsyncClient) -> list[str]:
    replies = (await http.get("/control/whatsapp/customers/+15550100002/messages")).json()
    return [message["body"] for message in replies["messages"]]


def modes(folder: Path) -> dict[str, int]:
    return {found.name: found.stat().st_mode & 0o777 for found in folder.iterdir()}


def content(path: Path) -> dict[str, Any]:
    return orjson.loads(path.read_bytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "setup.json"


async def test_restart_keeps_the_setup_and_no_conversation(path: Path) -> None:
    async with running(path) as http:
        await set_up(http)
        offered = (await http.get("/control/setup")).json()
        assert await send(http) == 201
    async with running(path) as http:
        assert (await http.get("/control/setup")).json() == offered
        assert len(offered["senders"]) == len(offered["webchats"]) == 1
        assert (await http.get("/control/ledger")).content == b""
        reading = f"/2010-04-01/Accounts/{TEST_ACCOUNT}/Messages.json"
        assert (await http.get(reading, auth=(TEST_ACCOUNT, "three"))).status_code == 403
        assert await send(http) == 201
        assert await seen(http) == ["hello"]


async def test_only_the_owner_may_read_the_file(path: Path) -> None:
    async with running(path) as http:
        await set_up(http)
    assert modes(path.parent) == {"setup.json": 0o600}


async def test_every_change_at_the_same_time_is_kept(path: Path) -> None:
    async with running(path) as http:
        await asyncio.gather(
            *(ask(http, "PUT", f"/control/accounts/AC{number:032x}", token="t") for number in range(20))
        )
    assert len(content(path)["accounts"]) == 20


async def test_without_a_file_a_restart_forgets() -> None:
    async with running(None) as http:
        await set_up(http)
    async with running(None) as http:
        assert (await http.get("/control/setup")).json() == {"senders": [], "webchats": []}


@pytest.mark.parametrize(
    ("written", "complaint"),
    [("{", "Invalid JSON"), ('{"accounts": {"AC1": {"token": "hidden-token"}}}', "accounts.AC1")],
    ids=["broken", "wrong"],
)
def test_what_is_no_setup_is_named_without_its_secrets(tmp_path: Path, written: str, complaint: str) -> None:
    path = tmp_path / "setup.json"
    path.write_text(written)
    with pytest.raises(ValueError, match=complaint) as complained:
        create_app(SetupFile(path))
    assert str(path) in str(complained.value)
    assert "hidden-token" not in str(complained.value)


@pytest.mark.parametrize("folder", ["", "data"])
def test_data_folder_decides_whether_anything_is_kept(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("M2N_DATA_DIR", folder)
    assert SetupFile.from_environment().path == (Path("data/setup.json") if folder else None)
