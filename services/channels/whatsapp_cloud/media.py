"""How customers' media are fetched: the id leads to an address that lives 5 minutes and wants the same token."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from m2n.adapters.channel import MediaCall, NoMedia
from m2n.message import Media
from services.channels.whatsapp_cloud.calls import bearer, graph_url
from services.channels.whatsapp_cloud.settings import WhatsAppCloudSettings


class _Resolved(BaseModel):
    url: str


def media_call(media: Media, settings: WhatsAppCloudSettings, secrets: Mapping[str, str]) -> MediaCall:
    """Raises NoMedia. The address is asked for right before it is used, so that it has not run out."""
    if not media.vendor_id:
        raise NoMedia("vendor_id: expected Meta's id of the piece")

    def bytes_call(answer: bytes) -> MediaCall:
        return MediaCall(_allowed(_address(answer), settings), headers=bearer(secrets))

    path = quote(media.vendor_id, safe="")
    return MediaCall(graph_url(settings, path, secrets), headers=bearer(secrets), then=bytes_call)


def _address(answer: bytes) -> str:
    try:
        return _Resolved.model_validate_json(answer).url
    except ValidationError:
        raise NoMedia("url: expected the address of the piece in Meta's answer") from None


def _allowed(url: str, settings: WhatsAppCloudSettings) -> str:
    """The access token goes to Meta's own hosts and to nobody else's."""
    try:
        parts, own = urlsplit(url), urlsplit(settings.base_url)
        same_origin = (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        raise NoMedia("url: expected an address") from None
    host = parts.hostname or ""
    known = any(host == name or host.endswith(f".{name}") for name in settings.media_hosts)
    if not (same_origin or (parts.scheme == "https" and known)):
        raise NoMedia("url: expected https and one of the hosts in the connection's media_hosts")
    return url
