"""The tenants API as the command line uses it."""

from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from m2n.field_problems import FieldProblem


class TenantsApiError(Exception):
    """The API refused, or did not answer; ``problems`` name fields where it said which."""

    def __init__(self, text: str, problems: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(text)
        self.problems = problems


@dataclass(frozen=True)
class Applied:
    version: int
    outcome: Literal["created", "updated", "unchanged"]


class TenantsClient:
    """Close it, or use it in ``with``. Every method raises TenantsApiError."""

    def __init__(self, url: str, key: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60, transport=transport, trust_env=False)
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def apply(self, tenant_id: str, document: Any) -> Applied:
        """Create the tenant or make it be this document."""
        path = f"/v1/tenants/{quote(tenant_id, safe='')}"
        present = self._call("GET", path, missing_is_fine=True)
        if present.status_code == 404:
            made = self._call("PUT", path, json=document, headers={"if-none-match": "*"})
            return Applied(_version(made), "created")
        put = self._call("PUT", path, json=document, headers={"if-match": present.headers["etag"]})
        same = put.headers["etag"] == present.headers["etag"]
        return Applied(_version(put), "unchanged" if same else "updated")

    def tenants(self) -> list[dict[str, Any]]:
        """Every tenant that the key may see."""
        return self._all("/v1/tenants", "tenants", {})

    def dead_letters(self, tenant_id: str, state: str | None = None) -> list[dict[str, Any]]:
        """A tenant's dead letters, the newest first; '': those that name no tenant."""
        return self._all(_letters(tenant_id), "dead_letters", {"state": state} if state else {})

    def dead_letter(self, tenant_id: str, letter_id: str, *, body: bool = False) -> dict[str, Any]:
        params = {"body": "true"} if body else {}
        return self._call("GET", _letters(tenant_id, letter_id), params=params).json()

    def redrive(self, tenant_id: str, letter_id: str) -> str:
        """Put one back; its state then."""
        return self._call("POST", _letters(tenant_id, letter_id, "redrive")).json()["state"]

    def redrive_all(self, tenant_id: str) -> int:
        """Put back all that are kept; how many these are."""
        return self._call("POST", _letters(tenant_id, "redrive")).json()["redriving"]

    def _all(self, path: str, name: str, params: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self._call("GET", path, params=params | {"after": after}).json()
            found += page[name]
            if page["next"] is None:
                return found
            after = page["next"]

    def _call(self, method: str, path: str, *, missing_is_fine: bool = False, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as broken:
            raise TenantsApiError(f"{self._url} does not answer ({type(broken).__name__}); is it running?") from broken
        if answer.is_success or (missing_is_fine and answer.status_code == 404):
            return answer
        raise _refusal(answer)


def _letters(tenant_id: str, *rest: str) -> str:
    of_tenant = f"/v1/tenants/{quote(tenant_id, safe='')}" if tenant_id else "/v1"
    return "/".join([f"{of_tenant}/dead-letters", *(quote(part, safe="") for part in rest)])


def _version(answer: httpx.Response) -> int:
    return int(answer.headers["etag"].strip('"'))


def _refusal(answer: httpx.Response) -> TenantsApiError:
    try:
        body = answer.json()
        problems = tuple(FieldProblem(**problem) for problem in body.get("details", ()))
        return TenantsApiError(f"{answer.status_code}: {body['error']}", problems)
    except (ValueError, KeyError, TypeError, AttributeError):
        return TenantsApiError(f"{answer.status_code}: the answer is not one of the tenants API; check the address")
