"""What Graph API calls have in common: the shape of errors, how long to wait, the proof that a token is the app's."""

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, TypeAdapter, ValidationError

from m2n.adapters.retry_after import retry_after_s


@dataclass(frozen=True)
class GraphError:
    """An error as Meta words it. Decide by ``code``, then ``subcode``; the words help people who look for a fault."""

    code: int
    subcode: int | None
    message: str
    details: str


class _Data(BaseModel):
    details: str = ""


class _Error(BaseModel):
    code: int
    error_subcode: int | None = None
    message: str = ""
    error_data: _Data | str | None = None


class _Answer(BaseModel):
    error: _Error


class _Usage(BaseModel):
    estimated_time_to_regain_access: float = 0
    """In minutes."""


_USAGES = TypeAdapter(dict[str, list[_Usage]])
USAGE_HEADER = "x-business-use-case-usage"


def read_error(body: bytes) -> GraphError | None:
    """The error that an answer's body holds; None when it holds none that can be read."""
    try:
        error = _Answer.model_validate_json(body).error
    except ValidationError:
        return None
    details = error.error_data.details if isinstance(error.error_data, _Data) else error.error_data or ""
    return GraphError(error.code, error.error_subcode, error.message, details)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: of ``Retry-After``, else until a used-up quota gives access again; None when neither tells.

    The quota's header is ``X-Business-Use-Case-Usage`` (Meta, "Rate limits", business use case).
    """
    told = retry_after_s(headers)
    known = {name.lower(): value for name, value in headers.items()}
    return _regains_access(known.get(USAGE_HEADER, "")) if told is None else told


def _regains_access(value: str) -> float | None:
    try:
        usages = _USAGES.validate_json(value)
    except ValidationError:
        return None
    minutes = [usage.estimated_time_to_regain_access for usages_of_one in usages.values() for usage in usages_of_one]
    longest = max(minutes, default=0)
    return longest * 60 if math.isfinite(longest) and longest > 0 else None


def appsecret_proof(app_secret: str, access_token: str) -> str:
    """Query parameter ``appsecret_proof`` of calls where the app's "Require App Secret" is on."""
    return hmac.new(app_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()
