"""Which sites' pages may use a chat, by the ``Origin`` header that browsers send."""

from collections.abc import Collection, Mapping


def is_allowed(headers: Mapping[str, str], allowed: Collection[str]) -> bool:
    """Whether the request may have been made by the page that made it.

    A request without an origin is no page's request to another site, so it may; the token is what it proves. One from
    the host that was asked is the installation's own page.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    return origin.partition("://")[2] == headers.get("host", "").lower() != ""
