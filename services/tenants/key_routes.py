"""A tenant's API keys. A key is shown once, when it is made."""

from fastapi import APIRouter, Response

from m2n.api_errors import ApiError, json_answer
from m2n.apikeys import key_sha256, make_key
from m2n.tenant import ApiKey, Config, Role, Slug
from services.tenants.access import Admin, CallerOfRequest, unknown_tenant
from services.tenants.changes import Draft
from services.tenants.store import Decide, Row

MAX_KEYS = 100

router = APIRouter(prefix="/v1/tenants/{tenant_id}/api-keys")


class NewKey(Config):
    id: Slug
    role: Role


@router.get("")
async def list_keys(tenant_id: str, admin: Admin, caller: CallerOfRequest) -> Response:
    caller.require_sight(tenant_id)
    row = await admin.store.read(tenant_id)
    if row is None:
        raise unknown_tenant(tenant_id)
    return json_answer({"api_keys": [{"id": key.id, "role": key.role} for key in row.api_keys]})


@router.post("", status_code=201)
async def create_key(tenant_id: str, new: NewKey, admin: Admin, caller: CallerOfRequest) -> Response:
    """Make a key. The answer is the only place where it can be read."""
    caller.require_sight(tenant_id)
    key = make_key(tenant_id)
    entry = ApiKey(id=new.id, role=new.role, sha256=key_sha256(key))
    await admin.change(tenant_id, caller, _adding(tenant_id, entry))
    return json_answer({"id": new.id, "role": new.role, "key": key}, 201, {"cache-control": "no-store"})


@router.delete("/{key_id}", status_code=204)
async def delete_key(tenant_id: str, key_id: str, admin: Admin, caller: CallerOfRequest) -> Response:
    caller.require_sight(tenant_id)
    await admin.change(tenant_id, caller, _removing(tenant_id, key_id))
    return Response(status_code=204)


def _adding(tenant_id: str, entry: ApiKey) -> Decide:
    def decide(row: Row | None) -> Draft:
        if row is None:
            raise unknown_tenant(tenant_id)
        if any(key.id == entry.id for key in row.api_keys):
            raise ApiError(409, f"the tenant has an API key '{entry.id}' already; delete it or choose another id")
        if len(row.api_keys) >= MAX_KEYS:
            raise ApiError(409, f"the tenant has {MAX_KEYS} API keys, which is the most; delete one first")
        return Draft(tenant=row.tenant, api_keys=(*row.api_keys, entry))

    return decide


def _removing(tenant_id: str, key_id: str) -> Decide:
    def decide(row: Row | None) -> Draft:
        if row is None:
            raise unknown_tenant(tenant_id)
        kept = tuple(key for key in row.api_keys if key.id != key_id)
        if len(kept) == len(row.api_keys):
            raise ApiError(404, f"the tenant has no API key '{key_id[:63]}'")
        return Draft(tenant=row.tenant, api_keys=kept)

    return decide
