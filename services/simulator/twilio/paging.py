"""Lists of Twilio's API, a page at a time."""

from typing import Any

from fastapi import Request


def page_of(name: str, found: list[dict[str, Any]], request: Request, page: int, size: int) -> dict[str, Any]:
    """One page of what was found, under that name, with the addresses of the pages beside it."""
    start = page * size

    def uri(number: int) -> str:
        url = request.url.include_query_params(Page=number, PageSize=size)
        return f"{url.path}?{url.query}"

    return {
        name: found[start : start + size],
        "page": page,
        "page_size": size,
        "start": start,
        "end": max(start, min(start + size, len(found)) - 1),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if len(found) > start + size else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }
