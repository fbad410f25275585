"""The page on which one can be the customers."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import HTMLResponse

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
_templates = Jinja2Templates(FOLDER / "templates")


async def page(request: Request) -> HTMLResponse:
    base = str(request.base_url).rstrip("/")
    return _templates.TemplateResponse(request, "customers.html", {"base": base})


def router() -> APIRouter:
    routes = APIRouter()
    routes.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    return routes
