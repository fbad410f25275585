"""Cross-origin access to a chat's addresses, for the sites that its connection allows.

The allow-list differs from connection to connection, which the usual CORS middleware does not know.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.channels.webchat.lookup import Lookup, find_chat
from services.channels.webchat.origins import is_allowed

_CHAT_PATH = re.compile(r"/(?:webhooks/)?webchat/([a-z0-9-]+)(?:/.*)?")
"""The widget's own files have a dot or an underscore in that place, which no connection's id has."""
_WEBHOOK = re.compile(r"/webhooks/webchat/([a-z0-9-]+)")
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type, last-event-id",
    "access-control-max-age": "600",
}


class OwnWebhook:
    """ASGI middleware that leads the chat's webhook to its own route, which does more than the usual one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        webhook = _WEBHOOK.fullmatch(scope["path"]) if posted else None
        if webhook is not None:
            scope = {**scope, "path": f"/webchat/{webhook[1]}/messages"}
        await self._app(scope, receive, send)


class WebChatCors:
    """ASGI middleware for the app that has the chat's routes and its webhook."""

    def __init__(self, app: ASGIApp, lookup: Lookup) -> None:
        self._app, self._lookup = app, lookup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        chat_path = _CHAT_PATH.fullmatch(scope["path"]) if "origin" in headers else None
        if chat_path is None:
            return await self._app(scope, receive, send)
        origin = await self._allowed_origin(chat_path[1], headers)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return await _preflight(origin)(scope, receive, send)
        await self._app(scope, receive, _naming(headers["origin"], origin, send))

    async def _allowed_origin(self, connection_id: str, headers: Headers) -> str | None:
        chat = await find_chat(self._lookup, connection_id)
        allowed = chat is not None and is_allowed(headers, chat.settings.allowed_origins)
        return headers["origin"] if allowed else None


def _preflight(origin: str | None) -> Response:
    if origin is None:
        return Response(status_code=403, headers={"vary": "Origin"})
    return Response(status_code=204, headers={"access-control-allow-origin": origin, "vary": "Origin", **_PREFLIGHT})


def _naming(asking: str, allowed: str | None, send: Send) -> Send:
    """A page that is refused may read why, and nothing else."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if allowed is not None or message["status"] in (403, 404):
                headers["access-control-allow-origin"] = asking
                headers["access-control-expose-headers"] = "retry-after"
        await send(message)

    return named
