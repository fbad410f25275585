"""Where in a request the proof of origin stands: what ``sign`` adds to a request without one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from m2n.adapters.channel import WebhookRequest
from m2n.certify.altering import altered
from m2n.certify.certificate import Certificate
from m2n.certify.sample import verified

URL = "address"


@dataclass(frozen=True)
class Proof:
    """A genuine request and the same without proof. ``parts``: names of headers, and ``address`` for the URL."""

    bare: WebhookRequest
    signed: WebhookRequest

    @property
    def parts(self) -> tuple[str, ...]:
        headers = [name for name, value in self.signed.headers.items() if self.bare.headers.get(name) != value]
        return (*headers, URL) if self.signed.url != self.bare.url else tuple(headers)

    def without(self, part: str) -> WebhookRequest:
        if part == URL:
            return replace(self.signed, url=self.bare.url)
        headers = {name: value for name, value in self.signed.headers.items() if name != part}
        return replace(self.signed, headers=headers | {n: v for n, v in self.bare.headers.items() if n == part})

    def having(self, part: str, value: str) -> WebhookRequest:
        if part == URL:
            return replace(self.signed, url=value)
        return replace(self.signed, headers={**self.signed.headers, part: value})

    def value(self, part: str) -> str:
        return self.signed.url if part == URL else self.signed.headers[part]

    def altered(self, part: str) -> Iterator[WebhookRequest]:
        """Requests with one bit of that part changed."""
        since = _first_difference(self.signed.url, self.bare.url) if part == URL else 0
        for value in altered(self.value(part), since):
            yield self.having(part, value)


def _first_difference(one: str, other: str) -> int:
    places = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(places, min(len(one), len(other)))


def needed(certificate: Certificate, proof: Proof) -> tuple[str, ...]:
    """The parts without which the request is refused; others only come with it. All, where none is needed."""
    found = tuple(part for part in proof.parts if verified(certificate, proof.without(part)) is not True)
    return found or proof.parts
