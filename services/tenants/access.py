"""Who may do what: the installation's admin key everything, a tenant's admin key its own tenant, nobody else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from m2n.adapters import registry
from m2n.api_errors import ApiError
from m2n.apikeys import KeyRefused, RoleRefused, authorize, bearer_key, is_key, tenant_of
from m2n.tenant import Role
from m2n.tenant_validation import Load
from services.tenants.store import ChangedMeanwhile, ConnectionTaken, Decide, TenantStore, Written

INSTALLATION = "installation"
"""How audit entries name the installation's admin key."""


@dataclass(frozen=True)
class Administration:
    """What the routes work with. ``announce`` tells the other services that a tenant changed."""

    store: TenantStore
    admin_sha256: str
    announce: Callable[[str, int], Awaitable[None]]
    load: Load = registry.load

    async def change(self, tenant_id: str, by: "Caller", decide: Decide) -> Written:
        """Raises ApiError 409 for a connection id that is taken."""
        try:
            written = await self.store.change(tenant_id, by.name, decide)
        except ConnectionTaken as taken:
            text = f"the connection id '{taken.connection_id}' is taken in this installation; choose another"
            raise ApiError(409, text) from taken
        except ChangedMeanwhile as race:
            raise ApiError(409, "it was changed at the same time; read it again and repeat the change") from race
        if written.changed:
            await self.announce(tenant_id, written.version)
        return written


@dataclass(frozen=True)
class Caller:
    """Whose key a request carries. ``tenant`` is None for the installation's admin key."""

    name: str
    tenant: str | None = None

    def require_sight(self, tenant_id: str) -> None:
        """Another tenant is to this caller what an unknown one is. Raises ApiError 404."""
        if self.tenant not in (None, tenant_id):
            raise unknown_tenant(tenant_id)


def unknown_tenant(tenant_id: str) -> ApiError:
    return ApiError(404, f"there is no tenant '{tenant_id[:63]}'")


def administration(request: Request) -> Administration:
    return request.app.state.administration


Admin = Annotated[Administration, Depends(administration)]


async def _caller(admin: Admin, authorization: Annotated[str | None, Header()] = None) -> Caller:
    try:
        return await _identify(admin, bearer_key(authorization))
    except KeyRefused as refused:
        raise ApiError(401, str(refused), headers={"www-authenticate": "Bearer"}) from refused
    except RoleRefused as refused:
        raise ApiError(403, str(refused)) from refused


async def _identify(admin: Administration, key: str) -> Caller:
    if is_key(key, admin.admin_sha256):
        return Caller(INSTALLATION)
    tenant_id = tenant_of(key)
    row = await admin.store.read(tenant_id) if tenant_id else None
    known = authorize(row.api_keys if row else (), key, {Role.ADMIN})
    return Caller(f"{tenant_id}/{known.id}", tenant_id)


CallerOfRequest = Annotated[Caller, Depends(_caller)]
