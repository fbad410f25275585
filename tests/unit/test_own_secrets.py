"""Which secrets a tenant's own administrator may let a connection refer to."""

from typing import Any

import pytest

from m2n.tenant import Connection, ConnectionKind, SecretRef, Tenant
from services.tenants.own_secrets import foreign_secrets
from tests.unit.builders import tenant

TOKEN = "auth-token"


def with_phone(key: str, store: str = "m2n-secrets", **changes: Any) -> Tenant:
    values: dict[str, Any] = {
        "id": "acme-phone",
        "kind": ConnectionKind.CHANNEL,
        "adapter": "phone",
        "settings": {"base_url": "https://vendor.example"},
        "secrets": {TOKEN: SecretRef(store=store, key=key)},
    }
    base = tenant()
    return base.model_copy(update={"connections": (*base.connections, Connection(**(values | changes)))})


def fields(after: Tenant, stored: Tenant | None = None) -> list[str]:
    return [problem.field.removeprefix("connections[4].secrets.") for problem in foreign_secrets(after, stored)]


def test_its_own() -> None:
    assert fields(with_phone("acme.token")) == []
    assert fields(with_phone("acme.token"), with_phone("shared-token")) == []


@pytest.mark.parametrize("key", ["other.token", "acme-token", "acme-bikes.token", "acme", "Acme.token", "x.acme.token"])
def test_others(key: str) -> None:
    (problem,) = foreign_secrets(with_phone(key), tenant())
    assert problem.field == "connections[4].secrets.auth-token.key"
    assert "begins with 'acme.'" in problem.expected
    assert key not in (problem.expected + problem.do).split("'")


def test_another_store() -> None:
    assert fields(with_phone("acme.token", store="vault")) == ["auth-token.store"]
    assert fields(with_phone("token", store="vault")) == ["auth-token.store", "auth-token.key"]


def test_what_the_installation_gave_stays() -> None:
    given = with_phone("shared-token")
    assert fields(given, given) == []
    assert fields(given.model_copy(update={"name": "New", "connections": given.connections[::-1]}), given) == []


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"base_url": "https://elsewhere.example"}},
        {"adapter": "fax"},
        {"kind": ConnectionKind.DESK},
        {"id": "acme-second"},
    ],
)
def test_what_the_installation_gave_goes_nowhere_else(change: dict[str, Any]) -> None:
    assert fields(with_phone("shared-token", **change), with_phone("shared-token")) == ["auth-token.key"]


def test_what_the_installation_gave_is_for_one_name() -> None:
    given, ref = with_phone("shared-token"), SecretRef(key="shared-token")
    assert fields(with_phone("shared-token", secrets={TOKEN: ref, "second": ref}), given) == ["second.key"]
    other_store = with_phone("shared-token", store="vault")
    assert fields(other_store, given) == ["auth-token.store", "auth-token.key"]
