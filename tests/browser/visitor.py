"""A visitor of a shop's page, in a real browser; and the shop's chat, whose bot and agents answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from m2n.message import Author
from services.channels.webchat.browser import BrowserMessage
from tests.browser.site import Site
from tests.stack.tenant_documents import tenant_document, unused_id
from tests.stack.world import World
from tests.waiting import eventually

SIGNING_KEY, IDENTITY_KEY = "acme-webchat-key", "nordlicht-webchat-key"
"""Names of secrets of the demo."""
CONTENT: dict[str, Any] = {
    "default_language": "en",
    "fallback": {"en": ["Sorry, I did not understand."]},
    "intents": {
        "prices": {
            "phrases": {"en": ["how much is a bike", "what are your prices", "price list"]},
            "answers": {
                "en": [
                    {
                        "text": "Which bike?",
                        "choices": [{"id": "city", "title": "City bike"}, {"id": "cargo", "title": "Cargo bike"}],
                    }
                ]
            },
        },
        "city": {"phrases": {"en": ["city bike", "about city bikes"]}, "answers": {"en": ["14 € a day."]}},
        "cargo": {"phrases": {"en": ["cargo bike", "about cargo bikes"]}, "answers": {"en": ["39 € a day."]}},
    },
}
_LINES = """() => {
  const chat = document.querySelector('#m2n-chat')?.shadowRoot;
  return [...(chat?.querySelectorAll('.message, .system') ?? [])].map((line) => {
    const who = ['own', 'agent', 'bot'].find((name) => line.classList.contains(name)) ?? 'system';
    const words = line.querySelectorAll('.words');
    return [who, [...words].map((one) => one.textContent).join('\\n')];
  });
}"""


@dataclass
class Shop:
    """A tenant with a web chat that the site's pages hold."""

    world: World
    site: Site
    browser: Browser
    tenant: str
    connection: str

    @classmethod
    async def opened(cls, world: World, site: Site, browser: Browser, **settings: Any) -> "Shop":
        tenant = unused_id()
        document = tenant_document(tenant)
        bot, chat, _ = document["connections"]
        bot["settings"]["content"] = CONTENT
        chat["settings"] = {"allowed_origins": [site.origin], **settings}
        chat["secrets"]["identity-key"] = {"key": IDENTITY_KEY}
        chat["signals"] = ["typing", "read"]
        document["rules"]["handover"]["phrases"] = {"en": ["human"]}
        await world.put_tenant(document)
        return cls(world, site, browser, tenant, chat["id"])

    def address(self, origin: str | None = None, **script: str) -> str:
        return f"{origin or self.site.origin}/?{urlencode({'connection': self.connection, **script})}"

    @asynccontextmanager
    async def device(self, **options: Any) -> AsyncIterator[BrowserContext]:
        context = await self.browser.new_context(**options)
        context.set_default_timeout(20_000)
        try:
            yield context
        finally:
            await context.close()

    @asynccontextmanager
    async def visitor(self, **options: Any) -> AsyncIterator["Visitor"]:
        """On the shop's page, on a device of their own; nothing may have gone wrong in the page afterwards."""
        async with self.device(**options) as device:
            visitor = await Visitor.at(self, device)
            yield visitor
            assert visitor.errors == []

    async def said(self) -> list[str]:
        """What the transcript has of customers, in order."""
        lines = await self.world.messages(tenant=self.tenant, author="customer")
        return [
            line["content"].get("text") or line["content"].get("title") or line["content"]["type"] for line in lines
        ]

    async def has_said(self, *texts: str, ordered: bool = True) -> None:
        """Waits until the transcript has just these of customers; those of several have no order among them."""

        async def look() -> bool:
            said = await self.said()
            return said == list(texts) if ordered else sorted(said) == sorted(texts)

        await eventually(look)

    async def status(self, text: str, status: Literal["sent", "delivered", "read"]) -> None:
        """Until the message of that text has it."""

        async def look() -> bool:
            found = await self.world.database["messages"].find_one({"tenant": self.tenant, "content.text": text})
            return found is not None and found.get("status") == status

        await eventually(look)

    async def internal(self, visitor: str, what: str, body: dict[str, Any]) -> None:
        """What delivery does, with the sidecar's token."""
        path = f"/internal/webchat/{self.connection}/visitors/{visitor}/{what}"
        headers = {"dapr-api-token": self.world.stack.app_token("webhooks")}
        answer = await self.world.edge.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text


@dataclass
class Visitor:
    shop: Shop
    page: Page
    errors: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, shop: Shop, device: BrowserContext, address: str | None = None) -> "Visitor":
        visitor = cls(shop, await device.new_page())
        visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        visitor.page.on("console", lambda line: visitor.errors.append(line.text) if line.type == "error" else None)
        await visitor.page.goto(address or shop.address())
        return visitor

    # -- parts of the window -------------------------------------------------------------------------------------

    @property
    def launcher(self) -> Locator:
        return self.page.locator(".launcher")

    @property
    def window(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def box(self) -> Locator:
        return self.window.get_by_role("textbox")

    @property
    def log(self) -> Locator:
        return self.window.get_by_role("log")

    @property
    def banner(self) -> Locator:
        return self.window.locator(".now")

    # -- doing ---------------------------------------------------------------------------------------------------

    async def opens(self) -> "Visitor":
        await self.launcher.click()
        await expect(self.window).to_be_visible()
        return self

    async def says(self, text: str) -> None:
        await self.box.fill(text)
        await self.box.press("Enter")

    async def chooses(self, title: str) -> None:
        await self.log.get_by_role("button", name=title).click()

    async def attaches(self, name: str, mime: str, content: bytes) -> None:
        await self.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": mime, "buffer": content})

    async def offline(self, off: bool) -> None:
        await self.page.context.set_offline(off)

    # -- seeing --------------------------------------------------------------------------------------------------

    async def hears(self, text: str) -> None:
        await expect(self.log.get_by_text(text, exact=True)).to_be_visible(timeout=20_000)

    async def lines(self) -> list[tuple[str, str]]:
        """Who said what, as it is shown from top to bottom."""
        return [(who, text) for who, text in await self.page.evaluate(_LINES)]

    async def sees(self, *lines: tuple[str, str]) -> None:
        """Exactly these lines, in that order, before long."""

        async def look() -> bool:
            return await self.lines() == list(lines)

        try:
            await eventually(look, 20)
        except AssertionError:
            raise AssertionError(f"saw {await self.lines()}") from None

    async def id(self) -> str:
        session = f"JSON.parse(localStorage.getItem('m2n-chat:{self.shop.connection}:session'))"
        return await self.page.evaluate(f"{session}.visitor")

    async def gets(self, number: int, content: dict[str, Any], author: Author = Author.AGENT) -> None:
        """A message as delivery brings it."""
        name = "Kim" if author is Author.AGENT else None
        message = BrowserMessage.model_validate(
            {
                "id": f"x.{number}",
                "author": author,
                "author_name": name,
                "content": content,
                "at": "2026-03-02T12:00:00Z",
            }
        )
        body = message.model_dump(mode="json", exclude_none=True)
        await self.shop.internal(await self.id(), "messages", body)
