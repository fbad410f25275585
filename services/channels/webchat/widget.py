"""The widget's files for any page: a script to name in it, and the modules that the script loads.

The modules' address has a version that follows from their content, so browsers may keep them for ever; the script,
which names the version, is asked for again after some minutes.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent / "static"
SCRIPT = "widget.js"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_HEADERS = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_NOW = "public, max-age=300"


def files() -> Mapping[str, bytes]:
    """The widget's files by name; read once, since they belong to the version of the program."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}


def version(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, raw in sorted(content.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(raw).digest())
    return digest.hexdigest()[:16]


def router() -> APIRouter:
    content = files()
    current = version(content)
    script = content[SCRIPT].replace(b"{VERSION}", current.encode())
    made = APIRouter()

    @made.get("/webchat/widget.js")
    async def get_script(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        tag = f'"{current}"'
        headers = {**_HEADERS, "etag": tag, "cache-control": _FOR_NOW}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(script, headers=headers, media_type=_TYPES[".js"])

    @made.get("/webchat/_widget/{version}/{name}")
    async def get_module(version: str, name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Another version is asked for while processes of two versions run: the one that is here, and not for long."""
        raw = content.get(name)
        if raw is None or name == SCRIPT:
            raise HTTPException(404, "there is no such file of the widget")
        cache = _FOR_EVER if version == current else "no-store"
        return Response(raw, headers={**_HEADERS, "cache-control": cache}, media_type=_TYPES[Path(name).suffix])

    return made
