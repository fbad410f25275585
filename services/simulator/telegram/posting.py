"""How Telegram posts updates: those of one chat in order, and again until one is taken or a day old.

After the Bot API server's own code (tdlib/telegram-bot-api, WebhookActor.cpp): the first repeat comes at once, the next
ones after doubling gaps up to one or two minutes, or after as long as ``Retry-After`` says; a method in the answer is
carried out, but its result is told to nobody.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson

from services.simulator.ledger import Kind
from services.simulator.state import State
from services.simulator.telegram.bots import Bot, Chat, Pending, Posted
from services.simulator.telegram.doing import Event
from services.simulator.telegram.problems import Refused

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
KEPT_FOR, MOST_TRIES = timedelta(hours=24), 30
LONGEST_GAP_S, LONGEST_RETRY_AFTER_S = 60, 3600
ANSWER_WITHIN_S = 60.0
"""A customer's action that waits behind an untaken one for longer counts as not answered."""
_TIMEOUT = httpx.Timeout(60, connect=5)
RunMethod = Callable[[Bot, str, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Poster:
    """``run_method`` carries out what a webhook's answer asks for. ``unit_s``: how long the first gap is."""

    state: State
    run_method: RunMethod
    unit_s: float = 1.0

    async def post(self, bot: Bot, chat: Chat, event: Event) -> Posted:
        """Queue the update behind the chat's others; how its first try went. The repeats go on by themselves."""
        answered = asyncio.get_running_loop().create_future()
        chat.waiting.append(Pending(event.name, event.update, self.state.now(), answered, gap_s=self.unit_s))
        if len(chat.waiting) == 1:
            self.state.start(self._work(bot, chat))
        try:
            return await asyncio.wait_for(asyncio.shield(answered), ANSWER_WITHIN_S)
        except TimeoutError:
            return Posted(None, 0, ANSWER_WITHIN_S * 1000, "an earlier update is still waiting to be taken")

    async def _work(self, bot: Bot, chat: Chat) -> None:
        """All that waits, one after the other; the last one out ends the work."""
        while chat.waiting:
            head = chat.waiting[0]
            posted, retry_after = await self._try(bot, head)
            self._note(bot, chat, head, posted)
            if not posted.taken and await self._may_go_on(chat, head, retry_after):
                continue
            if chat.gone.is_set():
                chat.drop_waiting("the conversation was forgotten")
            else:
                chat.waiting.popleft()

    async def _try(self, bot: Bot, update: Pending) -> tuple[Posted, int]:
        update.tries += 1
        began, status, error, retry_after = time.perf_counter(), None, None, 0
        headers = {SECRET_HEADER: bot.webhook.secret} if bot.webhook.secret else {}
        headers["Content-Type"] = "application/json"
        try:
            body = orjson.dumps(update.update)
            answer = await self.state.http.post(bot.webhook.url, content=body, headers=headers, timeout=_TIMEOUT)
            status, retry_after = answer.status_code, _retry_after(answer)
            if 200 <= status < 300:
                await self._obey(bot, answer)
        except (httpx.HTTPError, httpx.InvalidURL) as failed:
            error = type(failed).__name__
        posted = Posted(status, update.tries, (time.perf_counter() - began) * 1000, error)
        if not posted.taken:
            bot.webhook.last_error = error or f"Wrong response from the webhook: {status}"
            bot.webhook.last_error_at = self.state.now()
        return posted, retry_after

    async def _obey(self, bot: Bot, answer: httpx.Response) -> None:
        """A method in the answer, but none that only asks or changes the webhook."""
        try:
            arguments = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            return
        method = str(arguments.pop("method", "")) if isinstance(arguments, dict) else ""
        if method and not method.lower().startswith(("get", "setwebhook", "deletewebhook", "logout", "close")):
            with suppress(Refused):
                await self.run_method(bot, method, arguments)

    def _note(self, bot: Bot, chat: Chat, update: Pending, posted: Posted) -> None:
        line = bot.line
        about = {"channel": line.channel, "line": line.connection, "id": update.name}
        self.state.ledger.add(Kind.WEBHOOK, chat.customer, **about, **vars(posted))
        if not update.answered.done():
            update.answered.set_result(posted)

    async def _may_go_on(self, chat: Chat, update: Pending, retry_after: int) -> bool:
        """Whether the update is to be posted again, after the pause before that."""
        gap_s = float(retry_after)
        if not retry_after and update.tries > 1:
            update.gap_s = min(update.gap_s * 2, random.uniform(LONGEST_GAP_S, 2 * LONGEST_GAP_S))  # noqa: S311
            gap_s = update.gap_s
        too_old = self.state.now() + timedelta(seconds=gap_s) - update.since > KEPT_FOR
        if too_old or update.tries >= MOST_TRIES:
            return False
        try:
            await asyncio.wait_for(chat.gone.wait(), gap_s)
        except TimeoutError:
            return True
        return False


def _retry_after(answer: httpx.Response) -> int:
    value = answer.headers.get("retry-after", "")
    return min(int(value), LONGEST_RETRY_AFTER_S) if value.isascii() and value.isdecimal() and len(value) < 10 else 0
