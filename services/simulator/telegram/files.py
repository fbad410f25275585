"""Customers' files: ``getFile`` says where one is, and for an hour it can be downloaded there."""

from datetime import timedelta
from typing import Any

import httpx
from starlette.responses import JSONResponse, Response

from services.simulator.state import State
from services.simulator.telegram.arguments import GetFile
from services.simulator.telegram.bots import Bot
from services.simulator.telegram.problems import NOT_FOUND, bad

MOST_BYTES = 20 * 1024 * 1024
OFFERED_FOR = timedelta(hours=1)


async def get_file(state: State, bot: Bot, asked: GetFile) -> dict[str, Any]:
    file = bot.files.get(asked.file_id)
    if file is None:
        raise bad("invalid file_id")
    try:
        answer = await state.http.get(file.url, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise bad("wrong file_id or the file is temporarily unavailable") from None
    if answer.status_code != 200:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if len(answer.content) > MOST_BYTES:
        raise bad("file is too big")
    file.content, file.offered = answer.content, state.now()
    return {
        "file_id": asked.file_id,
        "file_unique_id": asked.file_id[-12:],
        "file_size": len(file.content),
        "file_path": file.path,
    }


def download(state: State, bot: Bot, path: str) -> Response:
    file = next((file for file in bot.files.values() if file.path == path), None)
    if file is None or file.offered is None or state.now() - file.offered > OFFERED_FOR:
        return JSONResponse(NOT_FOUND.body(), NOT_FOUND.status)
    return Response(file.content, media_type="application/octet-stream")
