"""Whether a tenant's configuration can work: its shape, its adapters, their settings, the secrets they need."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from m2n.adapters import registry
from m2n.field_problems import FieldProblem, field_names, field_problems
from m2n.tenant import (
    Connection,
    ConnectionKind,
    HandoverRules,
    Hours,
    MessageRate,
    OptOutRules,
    Rules,
    SecretRef,
    Tenant,
    WindowTemplate,
)
from m2n.texts import SystemTexts

Load = Callable[[ConnectionKind, str], Any]
"""Finds an adapter by kind and name; raises UnknownAdapter."""

_KNOWN = field_names(
    Tenant, Rules, HandoverRules, OptOutRules, Hours, Connection, MessageRate, WindowTemplate, SecretRef, SystemTexts
)


class InvalidTenant(ValueError):
    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems[:20]))


def checked_tenant(document: object, load: Load = registry.load) -> Tenant:
    """The document as a tenant. Raises InvalidTenant with everything that is wrong.

    The first call for an adapter imports it, and large bot content takes a while: call it in a thread.
    """
    if not isinstance(document, Mapping):
        raise InvalidTenant([FieldProblem("", "an object with the fields of a tenant", "send one")])
    try:
        tenant = Tenant.model_validate(document)
    except ValidationError as error:
        raise InvalidTenant(field_problems(error, known=_KNOWN)) from None
    problems = [
        p for at, c in enumerate(tenant.connections) for p in connection_problems(c, f"connections[{at}]", load)
    ]
    if problems:
        raise InvalidTenant(problems)
    return tenant


def connection_problems(connection: Connection, place: str, load: Load = registry.load) -> Iterable[FieldProblem]:
    """What keeps a connection from working with its adapter; ``place`` is its path in the document."""
    try:
        adapter = load(connection.kind, connection.adapter)
    except registry.UnknownAdapter as unknown:
        yield FieldProblem(f"{place}.adapter", f"an installed adapter: {unknown}", "correct the name or install it")
        return
    yield from _settings_problems(connection, place, adapter)
    for name in adapter.secrets:
        if name not in connection.secrets:
            expected = f"a reference to the secret '{name}' that the adapter '{connection.adapter}' needs"
            yield FieldProblem(f"{place}.secrets.{name}", expected, "add {key: <name in the secret store>}")


def _settings_problems(connection: Connection, place: str, adapter: Any) -> Iterable[FieldProblem]:
    try:
        adapter.settings.model_validate(connection.settings)
    except ValidationError as error:
        yield from field_problems(error, f"{place}.settings", field_names(adapter.settings))
