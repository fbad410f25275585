"""The vendors' stand-in: Twilio's messaging API, a control API and a page to be the customer.

Everything is in memory but the setup, which M2N_DATA_DIR keeps over a restart.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from services.simulator import control, line_control, page
from services.simulator.setup_file import SetupFile
from services.simulator.stand_ins import stand_ins
from services.simulator.state import State
from services.simulator.twilio import api


def create_app(setup_file: SetupFile | None = None) -> FastAPI:
    """The app, with the setup that the file kept; without a file it keeps none."""
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=100)
    state, setup_file = State(httpx.AsyncClient(trust_env=False, limits=limits)), setup_file or SetupFile()
    state.stand_ins.update({one.channel: one for one in stand_ins(state)})
    setup_file.restore(state)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await state.close()

    app = FastAPI(title="M2N simulator", lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.include_router(api.router(state))
    app.include_router(control.router(state, setup_file))
    app.include_router(line_control.router(state, setup_file))
    for vendor in state.stand_ins.values():
        for routes in vendor.routers():
            app.include_router(routes)
    app.include_router(page.router())
    app.mount("/static", StaticFiles(directory=page.STATIC), name="static")
    app.add_api_route("/health", health, methods=["GET"], include_in_schema=False)
    return app


async def health() -> dict[str, str]:
    return {"status": "ok"}


app = create_app(SetupFile.from_environment())
