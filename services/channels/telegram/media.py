"""How a customer's piece of media is fetched: ``getFile`` says where it is, for at least an hour."""

import re
from typing import Annotated
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, ValidationError

from m2n.adapters.channel import MediaCall, NoMedia

_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class _File(BaseModel):
    file_path: Annotated[str, Field(max_length=1024)]


class _Answer(BaseModel):
    result: _File


def media_call(base_url: str, token: str, file_id: str) -> MediaCall:
    """Both calls go to the Bot API's own address, with the token in their path."""
    base, secret = base_url.rstrip("/"), quote(token, safe=":")

    def then(answer: bytes) -> MediaCall:
        return MediaCall(url=f"{base}/file/bot{secret}/{_path(answer)}")

    return MediaCall(url=f"{base}/bot{secret}/getFile?{urlencode({'file_id': file_id})}", then=then)


def _path(answer: bytes) -> str:
    try:
        path = _Answer.model_validate_json(answer).result.file_path
    except ValidationError:
        raise NoMedia("getFile: expected result.file_path; the file may be larger than 20 MB") from None
    if path.startswith("/"):
        raise NoMedia("getFile: expected a path to download from; a Bot API server run with --local offers none")
    if not _SAFE.fullmatch(path):
        raise NoMedia("getFile: expected a plain path in result.file_path")
    return path
