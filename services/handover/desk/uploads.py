"""Agents' own media: uploaded once, then sent in messages."""

import hashlib
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header, Request, Response

from m2n.api_errors import ApiError, json_answer
from m2n.field_problems import FieldProblem
from m2n.media import MediaLibrary, MediaRecord, media_id
from m2n.media_links import FOR_PEOPLE
from m2n.message import Content, Media, MediaState, TextContent, media_content
from services.handover.desk.access import Api, CallingAgent

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
"""What most channels take of a file (Messenger's limit)."""
router = APIRouter(prefix="/v1/desk/media")


@router.post("")
async def upload(
    request: Request,
    api: Api,
    agent: CallingAgent,
    content_type: Annotated[str, Header()] = "",
    x_filename: Annotated[str, Header(max_length=300)] = "",
) -> Response:
    """Keep a file for messages: the body is its bytes, ``X-Filename`` its name, percent-encoded.

    The same file again is the same piece.
    """
    content, mime = await request.body(), content_type.strip().lower()
    if not content or "/" not in mime or len(mime) > 200:
        problem = FieldProblem("body", "the bytes of a file, and its type as Content-Type", "send both")
        raise ApiError(422, "the upload does not fit", (problem,))
    id_ = media_id(agent.tenant, "desk", hashlib.sha256(content).hexdigest())
    filename = unquote(x_filename)[:200] or None
    record = await api.library.save(agent.tenant, id_, content, mime=mime, filename=filename)
    link = api.library.link(agent.tenant, id_, FOR_PEOPLE)
    return json_answer({"id": id_, "link": link, "mime": mime, "size_bytes": record.size_bytes}, 201)


async def content_of(library: MediaLibrary, tenant: str, text: str | None, media: str | None) -> Content:
    """What an agent's message says. Raises ApiError for a piece that the tenant does not have."""
    if media is None:
        return TextContent(text=text or "")
    record = await library.record(tenant, media)
    if record is None or record.state is not MediaState.STORED:
        problem = FieldProblem("media", "the id of an uploaded piece", "upload it with POST /v1/desk/media first")
        raise ApiError(422, "the request has fields that do not fit", (problem,))
    return _as_kind(record, text)


def _as_kind(record: MediaRecord, caption: str | None) -> Content:
    known: dict[str, Any] = record.model_dump(include={"id", "state", "mime", "filename", "size_bytes", "sha256"})
    media = Media.model_validate(known)
    return media_content(media, caption)
