"""API keys: their shape, and who they are."""

import pytest

from m2n.apikeys import KeyRefused, RoleRefused, authorize, bearer_key, is_key, key_sha256, make_key, tenant_of
from m2n.tenant import ApiKey, Role


def test_a_key_names_its_tenant_and_nothing_else() -> None:
    keys = {make_key("acme-bikes") for _ in range(200)}
    assert len(keys) == 200
    assert {tenant_of(key) for key in keys} == {"acme-bikes"}
    assert {len(key) for key in keys} == {len("m2n_acme-bikes_") + 43}


@pytest.mark.parametrize(
    "text", ["", "m2n_acme_short", "m2n__" + "a" * 43, "m2n_ACME_" + "a" * 43, "m2n_acme_" + "a" * 44, "x" * 60]
)
def test_what_is_not_shaped_like_a_key(text: str) -> None:
    assert tenant_of(text) is None


def test_only_the_hash_is_kept() -> None:
    key = make_key("acme")
    assert is_key(key, key_sha256(key))
    assert not is_key(key + "x", key_sha256(key))
    assert key.removeprefix("m2n_acme_") not in key_sha256(key)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc", "abc"])
def test_a_header_without_a_key(header: str | None) -> None:
    with pytest.raises(KeyRefused, match="Authorization: Bearer"):
        bearer_key(header)


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_a_header_with_a_key(header: str) -> None:
    assert bearer_key(header) == "abc"


def test_roles() -> None:
    admin, agent = make_key("acme"), make_key("acme")
    known = (
        ApiKey(id="boss", role=Role.ADMIN, sha256=key_sha256(admin)),
        ApiKey(id="desk", role=Role.AGENT, sha256=key_sha256(agent)),
    )
    assert authorize(known, agent, {Role.AGENT, Role.ADMIN}).id == "desk"
    assert authorize(known, admin, {Role.ADMIN}).id == "boss"
    with pytest.raises(RoleRefused, match="role 'agent'; this needs 'admin'"):
        authorize(known, agent, {Role.ADMIN})
    with pytest.raises(KeyRefused):
        authorize(known, make_key("acme"), {Role.ADMIN})
    with pytest.raises(KeyRefused):
        authorize((), admin, {Role.ADMIN})
