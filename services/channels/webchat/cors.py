"""Cross-origin access to a chat's addresses, for the sites that its connection allows.

The allow-list differs from connection to connection, which the usual CORS middleware does not know.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.channels.webchat.lookup import Lookup, find_chat
from services.channels.webchat.origins import is_allowed

_CHAT_PATH = re.compile(r"/(?:webhooks/)?webchat/([^/]+)(?:/.*)?")
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type, last-event-id",
    "access-control-max-age": "600",
}


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
        await self._app(scope, receive, _naming(origin, send))

    async def _allowed_origin(self, connection_id: str, headers: Headers) -> str | None:
        chat = await find_chat(self._lookup, connection_id)
        allowed = chat is not None and is_allowed(headers, chat.settings.allowed_origins)
        return headers["origin"] if allowed else None


def _preflight(origin: str | None) -> Response:
    if origin is None:
        return Response(status_code=403, headers={"vary": "Origin"})
    return Response(status_code=204, headers={"access-control-allow-origin": origin, "vary": "Origin", **_PREFLIGHT})


def _naming(origin: str | None, send: Send) -> Send:
    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if origin is not None:
                headers["access-control-allow-origin"] = origin
        await send(message)

    return named
