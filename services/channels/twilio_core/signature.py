"""Twilio's proof of origin: HMAC-SHA1 over the address and the form, Base64, in ``X-Twilio-Signature``.

After Twilio's "Webhooks security" and the validators of its Python and Node libraries. All of it works on bytes, so
that what was signed is what is checked, whatever the text's encoding.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from m2n.adapters.channel import WebhookRequest
from services.channels.twilio_core.form import is_form, pairs, query

HEADER = "x-twilio-signature"
BODY_HASH = "bodySHA256"
_ORIGIN = re.compile(r"(https?|wss?)://([^/?#]*?)(?::([0-9]+))?(?=[/?#]|$)", re.IGNORECASE)


def signature(token: str, url: str, form: Iterable[tuple[bytes, bytes]] = ()) -> str:
    """The signature over an address and form fields: names sorted, a name's values sorted and each taken once."""
    signed = url.encode("utf-8", "replace") + b"".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), signed, hashlib.sha1).digest()).decode()


def is_genuine(request: WebhookRequest, token: str, public_url: str | None = None) -> bool:
    """Whether the holder of the token signed this request; false for anything that cannot be checked.

    ``public_url`` replaces the address's scheme, host and port where the vendor uses another name than the one that
    the request came to. An address is tried with and without its port, as Twilio's own libraries do.
    """
    claimed = request.headers.get(HEADER, "").encode("utf-8", "replace")
    if not token or not claimed:
        return False
    form = tuple(pairs(request.body)) if is_form(request) else ()
    if not form and not _body_fits(request):
        return False
    urls = _spellings(_public_address(request.url, public_url))
    return any(hmac.compare_digest(signature(token, url, form).encode(), claimed) for url in urls)


def _body_fits(request: WebhookRequest) -> bool:
    """A body that is no form is signed through its hash in the address."""
    wanted = query(request).get(BODY_HASH)
    if wanted is None:
        return not request.body
    return hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), wanted.encode())


def _public_address(url: str, public_url: str | None) -> str:
    """The address without a fragment, which holds Twilio's connection overrides and is not signed."""
    address = url.partition("#")[0]
    origin = _ORIGIN.match(address)
    if public_url is None or origin is None:
        return address
    return public_url.rstrip("/") + address[origin.end() :]


def _spellings(url: str) -> tuple[str, ...]:
    """The address as it is, without a port, and with the scheme's own port where it names none."""
    found = _ORIGIN.match(url)
    if found is None:
        return (url,)
    scheme, host, port = found.groups()
    own_port = port or ("443" if scheme.lower() in ("https", "wss") else "80")
    path = url[found.end() :]
    return url, f"{scheme}://{host}{path}", f"{scheme}://{host}:{own_port}{path}"
