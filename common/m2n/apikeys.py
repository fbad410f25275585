"""API keys: ``m2n_<tenant>_<32 random bytes, URL-safe>``. Only their SHA-256 is kept.

A key carries 256 random bits, so a plain hash is enough: there is nothing to guess (unlike a password). The tenant
stands in it so that whoever checks it knows whose configuration to look at.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable

from m2n.tenant import ApiKey, Role

_KEY = re.compile(r"m2n_(?P<tenant>[a-z0-9][a-z0-9-]{1,62})_[A-Za-z0-9_-]{43}")


class KeyRefused(Exception):
    """No key, or none that is known."""


class RoleRefused(Exception):
    """The key is known, its role may not do this."""


def make_key(tenant: str) -> str:
    return f"m2n_{tenant}_{secrets.token_urlsafe(32)}"


def key_sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def is_key(key: str, sha256: str) -> bool:
    """Whether this is the key of that hash, in constant time."""
    return hmac.compare_digest(key_sha256(key), sha256)


def tenant_of(key: str) -> str | None:
    """The tenant whose key this says it is; None when it is not shaped like a tenant's key."""
    found = _KEY.fullmatch(key)
    return found["tenant"] if found else None


def bearer_key(authorization: str | None) -> str:
    """The key in an Authorization header. Raises KeyRefused."""
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise KeyRefused("the header 'Authorization: Bearer <API key>' is missing")
    return key.strip()


def authorize(api_keys: Iterable[ApiKey], key: str, roles: Collection[Role]) -> ApiKey:
    """The tenant's API key that this is. Looks at all of them, whichever fits. Raises KeyRefused, RoleRefused."""
    fitting = [known for known in api_keys if is_key(key, known.sha256)]
    if not fitting:
        raise KeyRefused("the API key is not known; it may have been deleted")
    if fitting[0].role not in roles:
        needed = " or ".join(sorted(role.value for role in roles))
        raise RoleRefused(f"this API key has the role '{fitting[0].role.value}'; this needs '{needed}'")
    return fitting[0]
