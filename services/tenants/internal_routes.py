"""What the other services ask, through their sidecars: a tenant's snapshot, a connection's tenant."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from m2n.api_errors import ApiError, json_answer
from m2n.tenant import ConnectionKind
from services.tenants.access import Admin, unknown_tenant
from services.tenants.preconditions import etag, names_version

router = APIRouter(prefix="/internal")


@router.get("/tenants/{tenant_id}")
async def get_snapshot(tenant_id: str, admin: Admin, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    row = await admin.store.read(tenant_id)
    if row is None:
        raise unknown_tenant(tenant_id)
    headers = {"etag": etag(row.version)}
    if if_none_match and names_version(if_none_match, row.version):
        return Response(status_code=304, headers=headers)
    return Response(row.snapshot(), media_type="application/json", headers=headers)


@router.get("/connections")
async def get_connections(kind: ConnectionKind, adapter: str, admin: Admin) -> Response:
    """The ids of all tenants' connections to an adapter, for a service that has to keep in touch with each."""
    return json_answer({"connections": await admin.store.connection_ids(kind.value, adapter)})


@router.get("/connections/{connection_id}")
async def get_owner(connection_id: str, admin: Admin) -> Response:
    owner = await admin.store.owner(connection_id)
    if owner is None:
        raise ApiError(404, "no tenant has this connection")
    return json_answer({"tenant": owner})
