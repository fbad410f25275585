"""FastStream's side at the web: verifies a webhook and publishes it to the stream.

python -m bench.peers.apps.stream_edge
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from faststream.redis import RedisBroker  # pyright: ignore[reportMissingImports]
from redis.asyncio import Redis

from bench.peers.apps.twilio_whatsapp import Settings, genuine_form

KNOWN_FOR_S = 300


def application(settings: Settings) -> FastAPI:
    broker = RedisBroker(settings.redis_url, logger=None)
    known = Redis.from_url(settings.redis_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with broker, known:
            yield

    async def webhook(request: Request) -> Response:
        signature = request.headers.get("x-twilio-signature", "")
        form = genuine_form(settings, request.url.path, await request.body(), signature)
        if form is None:
            return Response(status_code=403)
        if await known.set(f"{settings.stream}:{form['MessageSid']}", "1", nx=True, ex=KNOWN_FOR_S):
            await broker.publish(form, stream=settings.stream)
        return Response()

    async def health() -> None:
        return

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/webhooks/{channel}/{connection}", webhook, methods=["POST"])
    app.add_api_route("/health", health)
    return app


if __name__ == "__main__":
    chosen = Settings.from_environment()
    uvicorn.run(application(chosen), host="127.0.0.1", port=chosen.port, access_log=False, log_level="warning")
