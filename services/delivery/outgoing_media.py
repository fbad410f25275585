"""Media on their way out: our own get a link that the vendor can open, and bytes where the vendor wants those."""

from collections.abc import Mapping
from dataclasses import dataclass

from m2n.adapters.capabilities import MIB, Capabilities, MediaLimit
from m2n.adapters.channel import MediaCall
from m2n.guarded_http import GuardedHttp
from m2n.media import MediaLibrary
from m2n.media_fetching import MediaProblem, fetch
from m2n.media_links import FOR_VENDORS
from m2n.media_store import MediaStoreUnavailable
from m2n.message import Media, Outbound, media_of

FETCH_WITHIN_S = 6.0
ANYTHING = MediaLimit(100 * MIB)


@dataclass
class OutgoingMedia:
    library: MediaLibrary
    http: GuardedHttp

    def with_link(self, message: Outbound) -> Outbound:
        """Our own pieces have no address until they go out."""
        media = media_of(message.content)
        if media is None or media.id is None or media.url is not None:
            return message
        url = self.library.link(message.tenant, media.id, FOR_VENDORS)
        content = message.content.model_copy(update={"media": media.model_copy(update={"url": url})})
        return message.model_copy(update={"content": content})

    async def files(self, message: Outbound, can: Capabilities) -> Mapping[str, bytes]:
        """The bytes by their address, where the channel needs them. Raises MediaProblem."""
        media = media_of(message.content)
        if not can.needs_files or media is None or media.url is None:
            return {}
        return {media.url: await self._bytes(message.tenant, media, media.url)}

    async def _bytes(self, tenant: str, media: Media, url: str) -> bytes:
        if media.id is None:
            return (await fetch(self.http, MediaCall(url), ANYTHING, FETCH_WITHIN_S)).content
        try:
            content = await self.library.read(tenant, media.id)
        except MediaStoreUnavailable as away:
            raise MediaProblem("the media store does not answer", passes=True) from away
        if content is None:
            raise MediaProblem("it is not in the media store any more")
        return content
