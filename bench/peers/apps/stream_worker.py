"""FastStream's worker: answers the messages of the stream, one after the other.

    python -m bench.peers.apps.stream_worker

Prints READY when it has joined the stream's group.
"""

import asyncio

import aiohttp
import uvloop  # pyright: ignore[reportMissingImports]
from faststream import AckPolicy, FastStream  # pyright: ignore[reportMissingImports]
from faststream.redis import RedisBroker, StreamSub  # pyright: ignore[reportMissingImports]

from bench.peers.apps.twilio_whatsapp import Settings, answer_text, sending

READY = "ready"
GROUP, WORKER = "bots", "bot"


def subscriptions(settings: Settings) -> tuple[StreamSub, ...]:
    """What is new; and, if wanted, what was begun and not ended, for which FastStream has a subscriber of its own.

    Then only one message is begun at a time: others would be taken over while they still wait.
    """
    if not settings.claim_after_ms:
        return (StreamSub(settings.stream, group=GROUP, consumer=WORKER),)
    return (
        StreamSub(settings.stream, group=GROUP, consumer=WORKER, max_records=1),
        StreamSub(settings.stream, group=GROUP, consumer=f"{WORKER}-again", min_idle_time=settings.claim_after_ms),
    )


async def work(settings: Settings) -> None:
    broker = RedisBroker(settings.redis_url, logger=None)
    app = FastStream(broker, logger=None)
    async with aiohttp.ClientSession() as http:

        async def answer(form: dict[str, str]) -> None:
            call = sending(settings, form["AccountSid"], form["To"], form["From"], answer_text(form["Body"]))
            async with http.post(call.url, data=call.form, headers=call.headers) as answered:
                answered.raise_for_status()

        for each in subscriptions(settings):
            broker.subscriber(stream=each, ack_policy=AckPolicy.NACK_ON_ERROR)(answer)

        @app.after_startup
        async def tell() -> None:  # pyright: ignore[reportUnusedFunction]
            print(READY, flush=True)

        await app.run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(Settings.from_environment()))
