"""Which fields an audit entry names, and when a version may be replaced."""

from typing import Any

import pytest

from m2n.api_errors import ApiError
from m2n.tenant import ApiKey, Role
from services.tenants.changes import Draft, field_changes
from services.tenants.preconditions import Precondition
from tests.unit.builders import tenant

KEY = ApiKey(id="desk", role=Role.AGENT, sha256="0" * 64)


def changes(before: Draft | None, after: Draft | None) -> dict[str, str]:
    return {change.field: change.change for change in field_changes(before, after)}


def draft(*api_keys: ApiKey, **values: Any) -> Draft:
    return Draft(tenant=tenant(**values), api_keys=api_keys)


def with_settings(settings: dict[str, Any]) -> Draft:
    whole = tenant()
    first = whole.connections[0].model_copy(update={"settings": settings})
    return Draft(tenant=whole.model_copy(update={"connections": (first, *whole.connections[1:])}))


def test_nothing_changes() -> None:
    assert changes(draft(KEY), draft(KEY)) == {}
    assert changes(None, None) == {}


def test_fields_are_named_by_path() -> None:
    after = draft(name="New", handover={"max_fallbacks": None})
    assert changes(draft(), after) == {"name": "changed", "rules.handover.max_fallbacks": "changed"}
    assert changes(draft(), draft(KEY))["api_keys[desk].sha256"] == "added"
    assert changes(None, draft())["id"] == "added"
    assert changes(draft(), None)["id"] == "removed"


def test_connections_are_named_by_id_so_that_order_does_not_matter() -> None:
    whole = tenant()
    turned = Draft(tenant=whole.model_copy(update={"connections": whole.connections[::-1]}))
    assert changes(Draft(tenant=whole), turned) == {}
    fewer = Draft(tenant=whole.model_copy(update={"connections": whole.connections[1:]}))
    assert set(changes(Draft(tenant=whole), fewer).values()) == {"removed"}
    assert "connections[acme-whatsapp].adapter" in changes(Draft(tenant=whole), fewer)


@pytest.mark.parametrize(
    ("before", "after", "field", "change"),
    [
        ({"a": 1}, {"a": True}, "a", "changed"),
        ({"a": 1}, {"a": "1"}, "a", "changed"),
        ({"a": None}, {}, "a", "removed"),
        ({"a": [1, 2]}, {"a": [1]}, "a[1]", "removed"),
        ({"a": []}, {"a": {}}, "a", "changed"),
    ],
)
def test_settings_differ(before: dict[str, Any], after: dict[str, Any], field: str, change: str) -> None:
    found = changes(with_settings(before), with_settings(after))
    assert found[f"connections[acme-whatsapp].settings.{field}"] == change


@pytest.mark.parametrize(
    ("precondition", "version", "status"),
    [
        (Precondition(), None, 0),
        (Precondition(), 3, 428),
        (Precondition(force=True), 3, 0),
        (Precondition(if_match='"3"'), 3, 0),
        (Precondition(if_match='"2", "3"'), 3, 0),
        (Precondition(if_match="*"), 3, 0),
        (Precondition(if_match='"2"'), 3, 412),
        (Precondition(if_match='"2"', force=True), 3, 412),
        (Precondition(if_match="3"), 3, 412),
        (Precondition(if_match="*"), None, 412),
        (Precondition(if_none_match="*"), None, 0),
        (Precondition(if_none_match="*", force=True), 3, 412),
    ],
)
def test_preconditions(precondition: Precondition, version: int | None, status: int) -> None:
    if not status:
        return precondition.check(version, required=True)
    with pytest.raises(ApiError) as refused:
        precondition.check(version, required=True)
    assert refused.value.status == status
