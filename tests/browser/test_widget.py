"""The widget in a real Chromium, in the page of another site, before the real stack."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from services.channels.webchat.users import proof
from tests.browser.site import HOSTILE_CSS, Site
from tests.browser.visitor import IDENTITY_KEY, Shop, Visitor
from tests.stack.world import World
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@pytest_asyncio.fixture
async def shop(world: World, site: Site, browser: Browser) -> Shop:
    return await Shop.opened(world, site, browser)


@pytest_asyncio.fixture
async def visitor(shop: Shop) -> AsyncIterator[Visitor]:
    async with shop.visitor() as visitor:
        yield await visitor.opens()


def picture(side: int = 8) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = (b"\0" + b"\x2f\x5b\xea" * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


TALK = (("own", "price list"), ("bot", "Which bike?"), ("own", "Cargo bike"), ("bot", "39 € a day."))


async def talk(visitor: Visitor) -> None:
    await visitor.says("price list")
    await visitor.chooses("Cargo bike")
    await visitor.sees(*TALK)


async def test_bot_answers_and_its_choices_are_buttons(shop: Shop, visitor: Visitor) -> None:
    await talk(visitor)
    await shop.has_said("price list", "Cargo bike")
    for title in ("City bike", "Cargo bike"):
        await expect(visitor.log.get_by_role("button", name=title)).to_be_disabled()
    await expect(visitor.window.locator(".own[data-status=read]")).to_have_count(2)


async def test_what_was_seen_is_told(shop: Shop, visitor: Visitor) -> None:
    await visitor.says("price list")
    await visitor.hears("Which bike?")
    await shop.status("Which bike?", "read")
    await visitor.page.keyboard.press("Escape")
    await shop.internal(await visitor.id(), "signals", {"typing": {"on": False}})
    await visitor.page.evaluate("window.M2NChat.close()")
    await visitor.launcher.click()
    await visitor.says("about city bikes")
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.launcher.locator(".badge")).to_have_text("1")
    await shop.status("14 € a day.", "delivered")
    await visitor.launcher.click()
    await expect(visitor.launcher.locator(".badge")).to_be_hidden()
    await shop.status("14 € a day.", "read")


async def test_reload_misses_nothing_and_doubles_nothing(shop: Shop, visitor: Visitor) -> None:
    await talk(visitor)
    await visitor.page.reload()
    await expect(visitor.window).to_be_visible()  # as it was before
    await visitor.sees(*TALK)
    await visitor.says("about city bikes")
    await visitor.sees(*TALK, ("own", "about city bikes"), ("bot", "14 € a day."))
    await shop.has_said("price list", "Cargo bike", "about city bikes")


async def test_what_came_while_the_page_was_away_is_there(shop: Shop, visitor: Visitor) -> None:
    await talk(visitor)
    await visitor.page.goto("about:blank")
    visitor_id = (await shop.world.database["webchat_inbox"].find_one({"connection": shop.connection}) or {})["visitor"]
    body = {"id": "x.1", "author": "agent", "author_name": "Kim", "at": "2026-03-02T12:00:00Z"}
    await shop.internal(visitor_id, "messages", body | {"content": {"type": "text", "text": "Still there?"}})
    await visitor.page.goto(shop.address())
    await visitor.sees(*TALK, ("agent", "Still there?"))


async def test_two_tabs_show_the_same(shop: Shop, visitor: Visitor) -> None:
    await visitor.says("price list")
    await visitor.hears("Which bike?")
    other = await Visitor.at(shop, visitor.page.context)
    await other.opens()
    await other.sees(*TALK[:2])
    await other.chooses("Cargo bike")
    await other.sees(*TALK)
    await visitor.page.bring_to_front()
    await visitor.sees(*TALK)


async def test_messages_of_an_offline_visitor_go_out_later_in_order_and_once(shop: Shop, visitor: Visitor) -> None:
    await visitor.says("price list")
    await visitor.hears("Which bike?")
    await visitor.offline(True)
    for text in ("one", "two", "three"):
        await visitor.says(text)
    await expect(visitor.banner).to_contain_text("offline")
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(3)
    await shop.has_said("price list")
    await visitor.offline(False)
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(0)
    await expect(visitor.banner).to_be_hidden()
    await shop.has_said("price list", "one", "two", "three")
    visitor.errors.clear()  # the browser's own words on calls that it could not make


async def test_messages_outlast_the_page_that_could_not_send_them(shop: Shop, visitor: Visitor) -> None:
    await visitor.says("price list")
    await visitor.hears("Which bike?")
    post = f"**/webhooks/webchat/{shop.connection}"
    await visitor.page.context.route(post, lambda route: route.abort())
    await visitor.says("one")
    await visitor.says("two")
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(2)
    await visitor.page.reload()
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(2)
    await visitor.page.context.unroute(post)
    await shop.has_said("price list", "one", "two")
    visitor.errors.clear()


async def test_message_whose_answer_was_lost_is_said_once(shop: Shop, visitor: Visitor) -> None:
    lost: list[int] = []

    async def lose(route: Route) -> None:
        if len(lost) < 2 and "text" in (route.request.post_data_json or {}):
            answer = await route.fetch()
            lost.append(answer.status)
            await route.abort()
        else:
            await route.continue_()

    await visitor.page.route(f"**/webhooks/webchat/{shop.connection}", lose)
    await visitor.says("price list")

    async def both() -> bool:
        return lost == [200, 200]

    await eventually(both)
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(0)
    await visitor.sees(*TALK[:2])
    await shop.has_said("price list")
    visitor.errors.clear()


async def test_agent_takes_over(shop: Shop, visitor: Visitor) -> None:
    agent = await shop.world.agent(shop.tenant)
    await visitor.says("a human please")
    conversation = (await agent.waiting())["id"]
    await expect(visitor.log.locator(".system")).to_have_count(1)
    assert (await agent.does(conversation, "accept", agent="Kim")).status_code == 200
    await visitor.hears("You are now talking to Kim.")
    typing = await agent.desk.post(f"/conversations/{conversation}/typing", json={"agent": "Kim"})
    assert typing.status_code == 204
    await expect(visitor.window.locator(".typing")).to_contain_text("Kim is typing…")
    uploaded = await agent.desk.post("/media", content=picture(), headers={"content-type": "image/png"})
    said = {"id": "m1", "text": "This one", "media": uploaded.json()["id"], "agent": "Kim"}
    assert (await agent.does(conversation, "messages", **said)).status_code == 200
    shown = visitor.log.locator(".agent .picture img")
    await expect(shown).to_have_js_property("naturalWidth", 8)
    await expect(visitor.window.locator(".typing")).to_be_empty()
    await expect(visitor.log.locator(".agent .who")).to_contain_text("Kim")
    await visitor.says("Looks good")
    await agent.sees(conversation, "Looks good")
    assert (await agent.does(conversation, "end", agent="Kim")).status_code == 200
    await expect(visitor.log.locator(".system")).to_have_count(3)


async def test_visitor_sends_a_picture(shop: Shop, visitor: Visitor) -> None:
    await visitor.attaches("my bike.png", "image/png", picture())
    await expect(visitor.log.locator(".own .picture img")).to_have_js_property("naturalWidth", 8)
    await expect(visitor.window.locator(".own[data-status=sending]")).to_have_count(0)
    (line,) = await eventually(lambda: shop.world.messages(tenant=shop.tenant, author="customer"))
    media = line["content"]["media"]
    assert (line["content"]["type"], media["state"], media["filename"]) == ("image", "stored", "my bike.png")
    await visitor.page.reload()
    await expect(visitor.log.locator(".own .picture img")).to_have_js_property("naturalWidth", 8)


async def test_files_that_are_not_taken(visitor: Visitor) -> None:
    await visitor.attaches("page.html", "text/html", b"<script>alert(1)</script>")
    await expect(visitor.banner).to_contain_text("cannot be sent")
    await visitor.attaches("large.pdf", "application/pdf", b"x" * (10 * 1024 * 1024 + 1))
    await expect(visitor.banner).to_contain_text("too large")
    assert await visitor.lines() == []


async def test_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.page
    await expect(visitor.box).to_be_focused()
    await page.keyboard.type("price list")
    await page.keyboard.press("Enter")
    await visitor.hears("Which bike?")
    focused = visitor.log.get_by_role("button", name="Cargo bike")
    for _ in range(6):
        await page.keyboard.press("Shift+Tab")
        if await focused.evaluate("(element) => element.getRootNode().activeElement === element"):
            break
    await expect(focused).to_be_focused()
    outline = await focused.evaluate("(element) => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await visitor.sees(*TALK)
    await expect(visitor.box).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(visitor.window).to_be_hidden()
    await expect(visitor.launcher).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(visitor.box).to_be_focused()


async def test_screen_readers_are_told_what_is_what(visitor: Visitor) -> None:
    await expect(visitor.window).to_have_accessible_name("Chat with us")
    await expect(visitor.launcher).to_have_attribute("aria-expanded", "true")
    for name in ("Send", "Attach a file"):
        await expect(visitor.window.get_by_role("button", name=name)).to_be_visible()
    await expect(visitor.box).to_have_accessible_name("Your message")
    await expect(visitor.log).to_have_attribute("aria-live", "polite")
    await visitor.says("about city bikes")
    await visitor.hears("14 € a day.")
    said = await visitor.log.inner_text()
    assert "You:" in said
    assert "Assistant" in said


async def test_pages_of_other_sites_get_no_chat(shop: Shop) -> None:
    async with shop.device() as device:
        visitor = await Visitor.at(shop, device, shop.address(shop.site.other_origin))
        warned: list[str] = []
        visitor.page.on("console", lambda line: warned.append(line.text))
        await visitor.opens()
        await expect(visitor.banner).to_contain_text("not available")
        await expect(visitor.box).to_be_disabled()
        assert any("allowed_origins" in line and shop.site.other_origin in line for line in warned)
    assert await shop.world.database["webchat_inbox"].count_documents({"connection": shop.connection}) == 0


HOSTILE = (
    '<img src=x onerror="window.hacked=1">',
    "<script>window.hacked=1</script>",
    "javascript:window.hacked=1 data:text/html,<b>x</b> https://user:pass@evil.example/ https://ok.example/a(b)?c=d.",
)


async def test_texts_are_inert(visitor: Visitor) -> None:
    await visitor.says(HOSTILE[0])
    await visitor.hears("Sorry, I did not understand.")
    for number, text in enumerate(HOSTILE):
        await visitor.gets(number, {"type": "text", "text": text})
    evil = "javascript:window.hacked=1"
    choices = [{"id": "a", "title": HOSTILE[0]}]
    contents: list[dict[str, Any]] = [
        {"type": "buttons", "text": HOSTILE[1], "buttons": choices},
        {"type": "list", "text": HOSTILE[1], "button": HOSTILE[0], "items": choices},
        {"type": "image", "media": {"url": evil, "filename": HOSTILE[0]}, "caption": HOSTILE[0]},
        {"type": "file", "media": {"url": evil, "filename": HOSTILE[0]}},
        {"type": "video", "media": {"url": evil}},
        {"type": "contact_card", "contacts": [{"name": HOSTILE[0], "phones": [evil], "emails": [HOSTILE[0]]}]},
        {"type": "location", "latitude": 1, "longitude": 2, "name": HOSTILE[0], "address": HOSTILE[1]},
        {"type": "file", "media": {"url": "https://ok.example/x", "size_bytes": -1}},
        {"type": "unsupported", "vendor_type": HOSTILE[0]},
    ]
    for number, content in enumerate(contents, start=10):
        await visitor.gets(number, content)
    await visitor.hears("This message cannot be shown here.")
    assert (await visitor.lines())[2:5] == [("agent", text) for text in HOSTILE]
    assert await visitor.page.evaluate("window.hacked") is None
    links = visitor.log.locator("a")
    addresses = [await links.nth(at).get_attribute("href") or "" for at in range(await links.count())]
    assert "https://ok.example/a(b)?c=d" in addresses
    assert all(address.startswith(("https://ok.example/", "https://www.openstreetmap.org/", "tel:", "mailto:"))
               for address in addresses)  # fmt: skip
    first = links.first
    assert await first.get_attribute("rel") == "noopener noreferrer nofollow"
    assert await first.get_attribute("target") == "_blank"


async def test_token_is_renewed_before_it_runs_out(world: World, site: Site, browser: Browser) -> None:
    shop = await Shop.opened(world, site, browser, token_ttl_s=60)
    async with shop.visitor() as visitor:
        await visitor.page.clock.install()
        await visitor.page.reload()
        await visitor.opens()
        await visitor.says("price list")
        await visitor.hears("Which bike?")
        before = await visitor.id()
        async with visitor.page.expect_response("**/visitors") as renewed:
            await visitor.page.clock.fast_forward(49_000)
        assert (await (await renewed.value).json())["visitor"] == before
        await visitor.chooses("Cargo bike")
        await visitor.sees(*TALK)


async def test_user_has_the_same_conversation_on_another_device(shop: Shop) -> None:
    hash_ = proof("ada", shop.world.stack.secrets[IDENTITY_KEY])
    identify = "([user, hash]) => window.M2NChat.identify(user, hash, {name: 'Ada'}).then(() => 'known', String)"
    async with shop.visitor() as phone, shop.visitor() as laptop:
        await talk(await phone.opens())
        assert await phone.page.evaluate(identify, ["ada", hash_]) == "known"
        await phone.sees(*TALK)
        assert await laptop.page.evaluate(identify, ["ada", hash_]) == "known"
        await laptop.opens()
        await laptop.sees(*TALK)
        await laptop.says("about city bikes")
        wanted = (*TALK, ("own", "about city bikes"), ("bot", "14 € a day."))
        await laptop.sees(*wanted)
        await phone.sees(*wanted)
        assert len({line["profile_id"] for line in await shop.world.messages(tenant=shop.tenant)}) == 1
        await laptop.page.evaluate("() => window.M2NChat.identify(null)")
        await laptop.sees()


async def test_next_user_of_a_browser_sees_nothing_of_the_one_before(shop: Shop) -> None:
    key = shop.world.stack.secrets[IDENTITY_KEY]
    async with shop.visitor() as visitor:
        await visitor.page.evaluate(f"window.M2NChat.identify('ada', '{proof('ada', key)}')")
        await talk(await visitor.opens())
        post = f"**/webhooks/webchat/{shop.connection}"
        await visitor.page.route(post, lambda route: route.abort())
        await visitor.says("a secret of Ada's")
        await visitor.page.reload()
        await visitor.page.evaluate(f"window.M2NChat.identify('bob', '{proof('bob', key)}')")
        await visitor.sees()
        await visitor.page.unroute(post)
        await visitor.says("about city bikes")
        await visitor.sees(("own", "about city bikes"), ("bot", "14 € a day."))
        await shop.has_said("Cargo bike", "about city bikes", "price list", ordered=False)
        visitor.errors.clear()


async def test_nobody_is_a_user_without_proof(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        wrong = proof("ada", "a wrong key")
        said = await visitor.page.evaluate(f"window.M2NChat.identify('ada', '{wrong}').then(() => 'known', String)")
        assert "user.hash" in said
        visitor.errors.clear()
        await talk(await visitor.opens())


async def test_visitor_who_is_too_fast_is_slowed_down(world: World, site: Site, browser: Browser) -> None:
    shop = await Shop.opened(world, site, browser, limits={"messages": 12})
    async with shop.visitor() as visitor:
        await visitor.opens()
        texts = [f"number {n}" for n in range(5)]
        for text in texts:
            await visitor.says(text)
        await expect(visitor.banner).to_contain_text("a little fast")
        await shop.has_said(*texts)
        await expect(visitor.banner).to_be_hidden()
        visitor.errors.clear()


async def test_without_streams_there_is_the_long_poll(shop: Shop) -> None:
    async with shop.device() as device:
        await device.add_init_script("delete window.ReadableStream")
        visitor = await Visitor.at(shop, device)
        asked: list[str] = []
        visitor.page.on("request", lambda request: asked.append(request.url))
        await visitor.opens()
        await talk(visitor)
        assert any("/messages?" in address for address in asked)
        assert not any("/events" in address for address in asked)
        assert visitor.errors == []


async def test_streams_that_something_keeps_back_give_way_to_the_long_poll(shop: Shop) -> None:
    async with shop.device() as device:
        visitor = await Visitor.at(shop, device)
        held = asyncio.Event()

        async def hold(route: Route) -> None:
            await held.wait()
            await route.abort()

        await visitor.page.route("**/events?*", hold)
        await visitor.page.clock.install()
        await visitor.opens()
        await expect(visitor.box).to_be_focused()
        await visitor.says("price list")
        await shop.has_said("price list")
        await visitor.page.clock.run_for(45_000)
        await visitor.page.clock.resume()
        await visitor.hears("Which bike?")
        held.set()


async def test_no_visitor_is_made_before_somebody_wants_to_chat(shop: Shop) -> None:
    async with shop.device() as device:
        visitor = Visitor(shop, await device.new_page())
        asked: list[str] = []
        visitor.page.on("request", lambda request: asked.append(request.url))
        await visitor.page.goto(shop.address())
        await expect(visitor.launcher).to_be_visible()
        assert not any(shop.connection in address.partition("?")[0] for address in asked)


# -- how it looks ----------------------------------------------------------------------------------------------------

STYLE_PAGE = """(css) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
}"""
_CONTRASTS = Path(__file__).with_name("contrasts.js").read_text()


RICH: tuple[dict[str, Any], ...] = (
    {"type": "text", "text": "Here is all that we can show: https://shop.example/bikes"},
    {"type": "location", "latitude": 52.1, "longitude": 5.1, "name": "Acme Bikes", "address": "Harbour street 1"},
    {
        "type": "contact_card",
        "contacts": [{"name": "Kim", "phones": ["+1 555 010 0002"], "emails": ["kim@shop.example"]}],
    },
    {
        "type": "file",
        "media": {"url": "https://shop.example/x.pdf", "filename": "Contract.pdf", "size_bytes": 345678},
    },
    {
        "type": "list",
        "text": "Which bike?",
        "button": "Bikes",
        "items": [{"id": "a", "title": "City bike", "description": "14 € a day"}],
    },
    {"type": "buttons", "text": "Sure?", "buttons": [{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]},
)


async def furnish(visitor: Visitor) -> None:
    """All kinds of messages, and somebody who types."""
    await talk(visitor)
    for number, content in enumerate(RICH):
        await visitor.gets(number, content)
    await visitor.shop.internal(await visitor.id(), "signals", {"typing": {"author": "agent", "author_name": "Kim"}})
    await expect(visitor.window.locator(".typing")).to_contain_text("Kim is typing…")


async def test_sign_of_the_bot_that_comes_after_its_answer_is_not_shown(visitor: Visitor) -> None:
    await talk(visitor)
    typing, name = visitor.window.locator(".typing"), await visitor.id()
    await typing.evaluate("""(line) => {
        window.signs = [];
        new MutationObserver(() => window.signs.push(line.textContent)).observe(line, { childList: true });
    }""")
    for sign in ({"author": "bot"}, {"author": "agent", "author_name": "Kim"}):
        await visitor.shop.internal(name, "signals", {"typing": sign})
    await expect(typing).to_contain_text("Kim is typing…")
    assert not [sign for sign in await visitor.page.evaluate("window.signs") if "Assistant" in sign]


LOOKS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "light": ({"color_scheme": "light"}, {}),
    "dark": ({"color_scheme": "dark"}, {}),
    "pale colour": ({"color_scheme": "light"}, {"colour": "#ffcc00"}),
    "high contrast": ({"forced_colors": "active"}, {}),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_everything_can_be_read(shop: Shop, look: str, tmp_path: Path) -> None:
    options, script = LOOKS[look]
    async with shop.device(viewport={"width": 1000, "height": 760}, **options) as device:
        visitor = await Visitor.at(shop, device, shop.address(**script))
        await visitor.opens()
        await furnish(visitor)
        await visitor.page.screenshot(path=tmp_path / f"{look}.png")
        low = await visitor.page.evaluate(_CONTRASTS)
        assert low == [], "contrast below 4.5"


async def test_small_screen_is_filled(shop: Shop, tmp_path: Path) -> None:
    phone = {"width": 375, "height": 667}
    async with shop.visitor(viewport=phone, has_touch=True, device_scale_factor=2) as visitor:
        await visitor.opens()
        await furnish(visitor)
        assert await visitor.window.bounding_box() == {"x": 0, "y": 0, **phone}
        await expect(visitor.window).to_have_attribute("aria-modal", "true")
        await expect(visitor.launcher).to_be_hidden()
        wide = await visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide == phone["width"]
        for _ in range(30):
            await visitor.page.keyboard.press("Tab")
            assert await visitor.page.evaluate("document.activeElement.id") == "m2n-chat"
        await visitor.page.screenshot(path=tmp_path / "phone.png")
        await visitor.page.keyboard.press("Escape")
        await expect(visitor.launcher).to_be_visible()


async def test_focus_stays_in_the_window_when_the_way_down_goes(visitor: Visitor) -> None:
    await furnish(visitor)
    jump = visitor.window.locator(".jump")
    await visitor.window.locator(".talk").evaluate("(talk) => { talk.scrollTop = 0; }")
    await expect(jump).to_be_visible()
    await jump.focus()
    await visitor.page.keyboard.press("Enter")
    await expect(jump).to_be_hidden()
    await expect(visitor.window.locator(".talk")).to_be_focused()


async def test_right_to_left(shop: Shop, tmp_path: Path) -> None:
    async with shop.device(viewport={"width": 900, "height": 760}, reduced_motion="reduce") as device:
        visitor = await Visitor.at(shop, device, shop.address(page_language="ar"))
        await visitor.launcher.click()
        await visitor.says("price list")
        await visitor.hears("Which bike?")
        await visitor.page.screenshot(path=tmp_path / "arabic.png")
        await expect(visitor.window).to_have_accessible_name("تحدّث معنا")
        window = await visitor.window.bounding_box()
        own = await visitor.log.locator(".own .bubble").bounding_box()
        bot = await visitor.log.locator(".bot .bubble").first.bounding_box()
        assert window
        assert own
        assert bot
        assert window["x"] == 20
        assert own["x"] < window["x"] + 40
        assert bot["x"] + bot["width"] > window["x"] + window["width"] - 80


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "nl", "pt"])
async def test_other_languages(shop: Shop, language: str) -> None:
    async with shop.device(locale=language) as device:
        visitor = await Visitor.at(shop, device, shop.address(page_language=language))
        await expect(visitor.launcher).to_be_visible()
        name = await visitor.launcher.get_attribute("aria-label")
        assert name
        assert name != "Open chat"


async def test_styles_of_the_page_stay_outside(shop: Shop) -> None:
    async with shop.visitor(reduced_motion="reduce") as visitor:
        await visitor.opens()
        before = await visitor.window.bounding_box()
        await visitor.page.evaluate(STYLE_PAGE, HOSTILE_CSS)
        heading = visitor.window.get_by_role("heading")
        assert await heading.evaluate("(one) => getComputedStyle(one).fontSize") == "17px"
        assert await visitor.window.bounding_box() == before


async def test_languages_that_the_browser_itself_does_not_know(shop: Shop) -> None:
    async with shop.device() as device:
        languages = "Object.defineProperty(navigator, 'languages', {get: () => ['en-US@posix', 'en-GB']})"
        await device.add_init_script(languages)
        visitor = await Visitor.at(shop, device)
        await talk(await visitor.opens())
        assert visitor.errors == []


async def test_who_wants_no_movement_sees_none(shop: Shop) -> None:
    async with shop.visitor(reduced_motion="reduce") as visitor:
        await visitor.opens()
        assert await visitor.window.evaluate("(one) => getComputedStyle(one).animationName") == "none"


async def test_options_of_the_script_tag(shop: Shop) -> None:
    options = {
        "title": "Acme & Söhne",
        "position": "left",
        "open": "true",
        "language": "de",
        "colour": "rgb(0, 100, 0)",
    }
    async with shop.device(viewport={"width": 900, "height": 700}, reduced_motion="reduce") as device:
        visitor = await Visitor.at(shop, device, shop.address(**options))
        await expect(visitor.window).to_be_visible()
        await expect(visitor.window).to_have_accessible_name("Acme & Söhne")
        await expect(visitor.box).to_have_attribute("placeholder", "Nachricht schreiben…")
        box = await visitor.window.bounding_box()
        assert box
        assert box["x"] == 20
        colour = await visitor.launcher.evaluate("(one) => getComputedStyle(one).backgroundColor")
        assert colour == "rgb(0, 100, 0)"
        assert await visitor.page.evaluate("document.activeElement === document.body")  # it opened by itself
