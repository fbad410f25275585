"""One pooled client to the sidecar: publish, state, actors, invocation, secrets."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import httpx
import orjson
from dapr.clients.base import DaprActorClientBase
from pydantic import BaseModel
from yarl import URL

from m2n.serialization import from_state, to_json, to_state
from m2n.settings import Settings

PUBSUB = "m2n-pubsub"
STATE = "m2n-state"
M = TypeVar("M", bound=BaseModel)


class DaprUnavailable(Exception):
    """The sidecar, or what it needs for this call, did not answer well; trying again may help."""


class NotTaken(Exception):
    """The other app refused the call (4xx); trying the same again cannot help."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


class DaprClient:
    """Calls to this app's own sidecar. Close it with the app.

    Every method raises DaprUnavailable when the sidecar cannot be reached or answers 5xx.
    """

    def __init__(self, settings: Settings, timeout_s: float = 15) -> None:
        token = settings.dapr_api_token.get_secret_value()
        self._base = f"{settings.sidecar_url}/v1.0"
        self._headers = {"dapr-api-token": token} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=2)
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        """Made with the first request, because it belongs to the running loop."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
                auto_decompress=False,
            )
        return self._http

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
    ) -> httpx.Response:
        """Any call below /v1.0; ``path`` is percent-encoded, ``json`` stands for a body in JSON.

        Returns 2xx, 3xx and 4xx answers. Raises DaprUnavailable, and NotTaken for a path that no URL can have.
        """
        url = self._url(method, path, params)
        sent = dict(headers or {})
        if json is not None:
            content, sent["content-type"] = orjson.dumps(json), "application/json"
        try:
            async with self._session().request(
                method, url, headers=sent, data=content, allow_redirects=False
            ) as received:
                answer = httpx.Response(received.status, headers=received.raw_headers, content=await received.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            raise DaprUnavailable(f"{method} {path}: {type(broken).__name__}") from broken
        if answer.status_code >= 500:
            raise DaprUnavailable(f"{method} {path}: {answer.status_code} {_error_code(answer)}")
        return answer

    def _url(self, method: str, path: str, params: Mapping[str, str] | None) -> URL:
        if not path.isascii() or not path.isprintable() or " " in path:
            raise NotTaken(400, f"{method}: the path cannot stand in a URL")
        return URL(f"{self._base}{path}{'?' + urlencode(params) if params else ''}", encoded=True)

    async def _expect(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await self.request(method, path, **options)
        if answer.status_code >= 400:
            raise NotTaken(answer.status_code, f"{method} {path} {_error_code(answer)}")
        return answer

    async def publish(self, topic: str, event: BaseModel) -> None:
        headers = {"content-type": "application/json"}
        await self._expect("POST", f"/publish/{PUBSUB}/{topic}", content=to_json(event), headers=headers)

    async def create_state(self, key: str, value: BaseModel, ttl_s: int | None = None) -> bool:
        """Write the key unless it exists, in one atomic step; False when it existed."""
        entry: dict[str, Any] = {"key": key, "value": to_state(value)}
        entry["options"] = {"concurrency": "first-write", "consistency": "strong"}
        if ttl_s is not None:
            entry["metadata"] = {"ttlInSeconds": str(ttl_s)}
        answer = await self.request("POST", f"/state/{STATE}", json=[entry])
        if answer.status_code == 409:
            return False
        if answer.status_code >= 400:
            raise NotTaken(answer.status_code, f"state {_error_code(answer)}")
        return True

    async def get_state(self, key: str, kind: type[M]) -> M | None:
        params = {"consistency": "strong"}
        answer = await self._expect("GET", f"/state/{STATE}/{quote(key, safe='')}", params=params)
        return from_state(kind, answer.json()) if answer.status_code == 200 and answer.content else None

    async def invoke_actor(self, actor_type: str, actor_id: str, method: str, argument: BaseModel) -> bytes:
        path = f"/actors/{actor_type}/{quote(actor_id, safe=':.-_')}/method/{method}"
        return (await self._expect("POST", path, content=to_json(argument))).content

    async def invoke(self, app_id: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Service invocation; the other app's 4xx come back as they are."""
        return await self.request(method, f"/invoke/{app_id}/method{path}", **options)

    async def secret(self, store: str, key: str) -> str:
        """Raises NotTaken when the store has no such secret or it is not this app's to read."""
        answer = await self._expect("GET", f"/secrets/{quote(store)}/{quote(key)}")
        values: Mapping[str, str] = answer.json() if answer.status_code == 200 else {}
        if key not in values:
            raise NotTaken(404, f"secret {key!r} is not in store {store!r}")
        return values[key]


class PooledActorClient(DaprActorClientBase):
    """The actor SDK's calls over the pooled client; its own opens a new connection each time."""

    def __init__(self, client: DaprClient) -> None:
        self._client = client

    async def _send(self, method: str, path: str, data: bytes | None = None) -> bytes:
        answer = await self._client.request(method, f"/actors/{path}", content=data)
        if answer.status_code >= 400:
            raise DaprUnavailable(f"{method} actors/…: {answer.status_code} {_error_code(answer)}")
        return answer.content

    async def invoke_method(self, actor_type: str, actor_id: str, method: str, data: bytes | None = None) -> bytes:
        return await self._send("POST", f"{actor_type}/{actor_id}/method/{method}", data)

    async def save_state_transactionally(self, actor_type: str, actor_id: str, data: bytes) -> None:
        await self._send("PUT", f"{actor_type}/{actor_id}/state", data)

    async def get_state(self, actor_type: str, actor_id: str, name: str) -> bytes:
        return await self._send("GET", f"{actor_type}/{actor_id}/state/{name}")

    async def register_reminder(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None:
        await self._send("PUT", f"{actor_type}/{actor_id}/reminders/{name}", data)

    async def unregister_reminder(self, actor_type: str, actor_id: str, name: str) -> None:
        await self._send("DELETE", f"{actor_type}/{actor_id}/reminders/{name}")

    async def register_timer(self, actor_type: str, actor_id: str, name: str, data: bytes) -> None:
        await self._send("PUT", f"{actor_type}/{actor_id}/timers/{name}", data)

    async def unregister_timer(self, actor_type: str, actor_id: str, name: str) -> None:
        await self._send("DELETE", f"{actor_type}/{actor_id}/timers/{name}")


def _error_code(answer: httpx.Response) -> str:
    """Dapr's errorCode only: its messages can quote what was sent."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("errorCode", "")) if isinstance(body, dict) else ""
