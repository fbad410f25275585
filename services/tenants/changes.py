"""What differs between two versions of a tenant: paths of fields, never their values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from m2n.message import Model
from m2n.tenant import ApiKey, Tenant

MAX_FIELDS = 200
"""Field paths that one audit entry lists."""


class FieldChange(Model):
    field: str
    change: str
    """added, removed or changed"""


class Draft(Model):
    """A tenant as a change leaves it."""

    tenant: Tenant
    api_keys: tuple[ApiKey, ...] = ()


def field_changes(before: Draft | None, after: Draft | None) -> tuple[FieldChange, ...]:
    """Every field that differs, sorted by path; connections and API keys are named by their id."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    fields = sorted(path for path in old.keys() | new.keys() if not _same(old, new, path))
    return tuple(FieldChange(field=path, change=_kind(old, new, path)) for path in fields)


def _same(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> bool:
    """Equal in value and type: in Python ``1 == True``."""
    return path in old and path in new and repr(old[path]) == repr(new[path])


def _kind(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> str:
    if path not in old:
        return "added"
    return "changed" if path in new else "removed"


def _leaves(draft: Draft | None) -> Iterator[tuple[str, Any]]:
    if draft is None:
        return
    fields = draft.tenant.model_dump(mode="json")
    connections = fields.pop("connections")
    yield from _flat("", fields)
    yield from _by_id("connections", connections)
    yield from _by_id("api_keys", [key.model_dump(mode="json") for key in draft.api_keys])


def _by_id(name: str, parts: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for part in parts:
        yield from _flat(f"{name}[{part['id']}]", part)


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _flat(f"{path}[{at}]", item)
    else:
        yield path, value
