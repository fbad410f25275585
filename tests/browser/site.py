"""A shop's site with the chat in its pages, on an origin of its own, and a visitor's browser."""

import asyncio
import html
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from playwright.async_api import Browser as Chromium
from playwright.async_api import async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.local.browser import find_browser
from deploy.local.progress import Steps

PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>
</head>
<body>
<h1>A shop</h1>
<p>Bikes, helmets, locks. <a href="/other">Another page</a></p>
<script src="{chat}/webchat/widget.js" {attributes} async></script>
</body></html>
"""
HOSTILE_CSS = "*{font-size:31px!important;color:lime!important;background:#000!important;display:block!important}"
"""What the styles of a page may be like."""


class Site:
    """``chat`` is the address of the installation that has the chat."""

    def __init__(self, chat: str) -> None:
        self._chat = chat
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        self.other_origin = f"http://127.0.0.1:{self.port}"
        """The same pages, from a site that no chat allows."""
        self._server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=[Route("/{path:path}", self._page)]), log_level="warning", ws="none")
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        serving = asyncio.create_task(self._server.serve([self._listener]))
        try:
            yield self
        finally:
            self._server.should_exit = True
            await serving

    async def _page(self, request: Request) -> HTMLResponse:
        """The query's parameters are the script tag's; the page allows what the README says, and nothing else."""
        query = dict(request.query_params)
        language = query.pop("page_language", "en")
        attributes = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in query.items())
        direction = "rtl" if language == "ar" else "ltr"
        page = PAGE.format(language=language, direction=direction, chat=self._chat, attributes=attributes)
        sources = " ".join(f"{kind} {self._chat};" for kind in ("script-src", "connect-src", "img-src", "media-src"))
        sources = sources.replace("img-src", "img-src blob:")
        policy = f"default-src 'none'; {sources} require-trusted-types-for 'script'"
        return HTMLResponse(page, headers={"content-security-policy": policy})


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    found = await asyncio.to_thread(find_browser, Steps())
    environment: dict[str, str | float | bool] = {**os.environ, **found.environment}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=found.program, args=list(found.arguments), env=environment
        )
        try:
            yield browser
        finally:
            await browser.close()
