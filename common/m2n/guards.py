"""Who may call the routes that are the sidecar's."""

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SIDECAR_PATHS = ("/dapr/", "/actors/", "/events/", "/internal/", "/healthz")
"""Routes that only the own sidecar calls."""


class SidecarToken:
    """401 on every route of the sidecar's unless the request carries the app's API token (Dapr, APP_API_TOKEN)."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(SIDECAR_PATHS):
            sent = Headers(scope=scope).get("dapr-api-token", "")
            if not hmac.compare_digest(sent.encode(), self._token):
                answer = JSONResponse({"error": "dapr-api-token is missing or wrong"}, status_code=401)
                return await answer(scope, receive, send)
        await self._app(scope, receive, send)
