"""Which secrets a tenant's own administrators may let connections refer to.

All tenants' secrets stand in one store, so a reference alone would let one tenant use another's. A tenant's own have
names that begin with its id and a dot; no id contains a dot, so no two tenants' names meet. References to others are
the installation's to make, and hold for the connection as it was then: with other settings the secret could go to
another address.
"""

from collections.abc import Iterator

from m2n.field_problems import FieldProblem
from m2n.tenant import Connection, SecretRef, Tenant

STORE = "m2n-secrets"


def foreign_secrets(tenant: Tenant, stored: Tenant | None) -> Iterator[FieldProblem]:
    """References in ``tenant`` that are neither to its own secrets nor already in ``stored``, its version so far."""
    for at, connection in enumerate(tenant.connections):
        before = stored.connection(connection.id) if stored else None
        granted = before.secrets if before and _same_use(before, connection) else {}
        for name, ref in connection.secrets.items():
            if ref != granted.get(name):
                yield from _problems(f"connections[{at}].secrets.{name}", ref, tenant.id)


def _same_use(before: Connection, after: Connection) -> bool:
    """Whether the secrets go where they went before."""
    return (before.kind, before.adapter, before.settings) == (after.kind, after.adapter, after.settings)


def _problems(place: str, ref: SecretRef, tenant_id: str) -> Iterator[FieldProblem]:
    ask = "or ask the installation's administrator to make this change"
    if ref.store != STORE:
        yield FieldProblem(f"{place}.store", f"'{STORE}'", f"leave it out, {ask}")
    if not ref.key.startswith(f"{tenant_id}."):
        expected = f"the name of a secret of this tenant, which begins with '{tenant_id}.'"
        yield FieldProblem(f"{place}.key", expected, f"use one, {ask}")
