"""One connection of a tenant. It is a part of the tenant, so the ETag is the tenant's version."""

from typing import Any

from fastapi import APIRouter, Request, Response

from m2n.api_errors import ApiError, json_answer
from m2n.field_problems import FieldProblem
from m2n.tenant import Tenant
from services.tenants.access import Admin, CallerOfRequest, unknown_tenant
from services.tenants.changes import Draft
from services.tenants.preconditions import Preconditions, etag
from services.tenants.store import Row
from services.tenants.tenant_routes import checked, json_body, require_own_secrets

router = APIRouter(prefix="/v1/tenants/{tenant_id}/connections")


@router.get("")
async def list_connections(tenant_id: str, admin: Admin, caller: CallerOfRequest) -> Response:
    caller.require_sight(tenant_id)
    row = _known(await admin.store.read(tenant_id), tenant_id)
    found = [connection.model_dump(mode="json") for connection in row.tenant.connections]
    return json_answer({"connections": found}, headers={"etag": etag(row.version)})


@router.get("/{connection_id}")
async def get_connection(tenant_id: str, connection_id: str, admin: Admin, caller: CallerOfRequest) -> Response:
    caller.require_sight(tenant_id)
    row = _known(await admin.store.read(tenant_id), tenant_id)
    return _answer(row, connection_id)


@router.put("/{connection_id}")
async def put_connection(
    tenant_id: str,
    connection_id: str,
    request: Request,
    admin: Admin,
    caller: CallerOfRequest,
    precondition: Preconditions,
) -> Response:
    """Add or replace the connection; the whole tenant is checked with it."""
    caller.require_sight(tenant_id)
    body = _named(await json_body(request), connection_id)
    current = _known(await admin.store.read(tenant_id), tenant_id)
    sent = f"connections[{_place(current.tenant, connection_id)}]."
    tenant = await checked(_with(current.tenant, connection_id, body), tenant_id, admin.load, sent)
    exists = current.tenant.connection(connection_id) is not None
    precondition.check(current.version if exists or precondition.if_match else None, required=True)
    require_own_secrets(caller, tenant, current, sent)
    written = await admin.change(tenant_id, caller, _if_still(current, tenant))
    assert written.after is not None
    return _answer(written.after, connection_id, 200 if exists else 201)


@router.delete("/{connection_id}", status_code=204)
async def delete_connection(
    tenant_id: str, connection_id: str, admin: Admin, caller: CallerOfRequest, precondition: Preconditions
) -> Response:
    """Remove the connection. 422 while the tenant's rules name it."""
    caller.require_sight(tenant_id)
    current = _known(await admin.store.read(tenant_id), tenant_id)
    if current.tenant.connection(connection_id) is None:
        raise _unknown_connection(connection_id)
    precondition.check(current.version, required=False)
    tenant = await checked(_with(current.tenant, connection_id, None), tenant_id, admin.load)
    await admin.change(tenant_id, caller, _if_still(current, tenant))
    return Response(status_code=204)


def _if_still(current: Row, tenant: Tenant) -> Any:
    """Write what was worked out from this version, unless there is another one by now."""

    def decide(row: Row | None) -> Draft:
        if row is None or row.version != current.version:
            raise ApiError(409, "the tenant was changed at the same time; repeat the request")
        return Draft(tenant=tenant, api_keys=row.api_keys)

    return decide


def _with(tenant: Tenant, connection_id: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """The tenant's document with this connection in the place of the old one, or without it."""
    document = tenant.model_dump(mode="json")
    at = _place(tenant, connection_id)
    document["connections"][at : at + 1] = [body] if body is not None else []
    return document


def _place(tenant: Tenant, connection_id: str) -> int:
    ids = [connection.id for connection in tenant.connections]
    return ids.index(connection_id) if connection_id in ids else len(ids)


def _named(body: Any, connection_id: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ApiError(422, "the connection does not fit", (FieldProblem("", "an object", "send one"),))
    if body.setdefault("id", connection_id) != connection_id:
        problem = FieldProblem("id", f"'{connection_id[:63]}' as in the address", "correct one of the two")
        raise ApiError(422, "the connection does not fit", (problem,))
    return body


def _answer(row: Row, connection_id: str, status: int = 200) -> Response:
    found = row.tenant.connection(connection_id)
    if found is None:
        raise _unknown_connection(connection_id)
    return json_answer(found.model_dump(mode="json"), status, {"etag": etag(row.version)})


def _known(row: Row | None, tenant_id: str) -> Row:
    if row is None:
        raise unknown_tenant(tenant_id)
    return row


def _unknown_connection(connection_id: str) -> ApiError:
    return ApiError(404, f"the tenant has no connection '{connection_id[:63]}'")
