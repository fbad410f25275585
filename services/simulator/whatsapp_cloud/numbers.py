"""The businesses' numbers: each a line's, with what Meta knows of it."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from services.simulator.vendors import Line, checked

APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN = "app-secret", "verify-token", "access-token"


class _Settings(BaseModel):
    phone_number_id: Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]
    waba_id: Annotated[str, Field(pattern=r"^[0-9]{1,32}$")] | None = None
    require_app_secret_proof: bool = False


@dataclass(frozen=True)
class Number:
    line: Line
    phone_number_id: str
    waba_id: str
    proof_required: bool

    @classmethod
    def of(cls, line: Line) -> "Number":
        """Raises ValueError that names the setting or secret."""
        settings = checked(_Settings, line.settings, "settings")
        for name in (APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN):
            if not line.secrets.get(name):
                raise ValueError(f"secrets.{name}: expected a value")
        account = settings.waba_id or "1000"
        return cls(line, settings.phone_number_id, account, settings.require_app_secret_proof)

    @property
    def display(self) -> str:
        """The number itself, in digits: invented, since a connection knows only its id."""
        return f"1555{_number(self.phone_number_id) % 10**7:07d}"

    @property
    def app_secret(self) -> str:
        return self.line.secrets[APP_SECRET]

    @property
    def metadata(self) -> dict[str, str]:
        return {"display_phone_number": self.display, "phone_number_id": self.phone_number_id}

    def knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.line.secrets[ACCESS_TOKEN].encode())

    def proof(self) -> str:
        """``appsecret_proof`` of the number's token."""
        token = self.line.secrets[ACCESS_TOKEN].encode()
        return hmac.new(self.app_secret.encode(), token, hashlib.sha256).hexdigest()


def bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
