"""Tenants as resources. The ETag is the version; replacing needs If-Match (or ?force=true), creating does not."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from m2n.api_errors import ApiError, json_answer
from m2n.field_problems import FieldProblem
from m2n.tenant import Tenant
from m2n.tenant_validation import InvalidTenant, Load, checked_tenant
from services.tenants.access import Admin, Caller, CallerOfRequest, unknown_tenant
from services.tenants.changes import Draft
from services.tenants.own_secrets import foreign_secrets
from services.tenants.preconditions import Preconditions, etag
from services.tenants.store import Row, Written

router = APIRouter(prefix="/v1/tenants")


@router.get("")
async def list_tenants(
    admin: Admin, caller: CallerOfRequest, after: str = "", limit: Annotated[int, Query(ge=1, le=200)] = 100
) -> Response:
    """The tenants that the key may see; ``next`` is the ``after`` of the next page."""
    if caller.tenant:
        own = await admin.store.read(caller.tenant)
        rows = [own] if own and own.id > after else []
    else:
        rows = await admin.store.page(after, limit)
    following = rows[-1].id if len(rows) == limit else None
    return json_answer({"tenants": [_summary(row) for row in rows], "next": following})


@router.get("/{tenant_id}")
async def get_tenant(tenant_id: str, admin: Admin, caller: CallerOfRequest) -> Response:
    caller.require_sight(tenant_id)
    row = await admin.store.read(tenant_id)
    if row is None:
        raise unknown_tenant(tenant_id)
    return tenant_answer(row)


@router.put("/{tenant_id}")
async def put_tenant(
    tenant_id: str, request: Request, admin: Admin, caller: CallerOfRequest, precondition: Preconditions
) -> Response:
    """Create or replace the whole tenant. 201 or 200; a replacement that changes nothing keeps its version."""
    caller.require_sight(tenant_id)
    tenant = await checked(await json_body(request), tenant_id, admin.load)

    def decide(row: Row | None) -> Draft:
        if row is None and caller.tenant:
            raise unknown_tenant(tenant_id)
        precondition.check(row.version if row else None, required=True)
        require_own_secrets(caller, tenant, row)
        return Draft(tenant=tenant, api_keys=row.api_keys if row else ())

    return written_answer(await admin.change(tenant_id, caller, decide))


@router.delete("/{tenant_id}", status_code=204)
async def delete_tenant(tenant_id: str, admin: Admin, caller: CallerOfRequest, precondition: Preconditions) -> Response:
    """Delete the tenant with its connections and API keys; its audit trail stays."""
    caller.require_sight(tenant_id)

    def decide(row: Row | None) -> None:
        if row is None:
            raise unknown_tenant(tenant_id)
        precondition.check(row.version, required=False)

    await admin.change(tenant_id, caller, decide)
    return Response(status_code=204)


@router.get("/{tenant_id}/audit")
async def get_audit(
    tenant_id: str,
    admin: Admin,
    caller: CallerOfRequest,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Who changed which fields when, newest first; ``next`` is the ``before`` of the next page."""
    caller.require_sight(tenant_id)
    entries = await admin.store.audit(tenant_id, before, limit)
    if not entries and before is None:
        raise unknown_tenant(tenant_id)
    following = entries[-1]["version"] if len(entries) == limit else None
    return json_answer({"entries": entries, "next": following})


async def json_body(request: Request) -> Any:
    """Raises ApiError 400 for what is no JSON."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as bad:
        raise ApiError(400, f"the body is not JSON (line {bad.lineno}, column {bad.colno})") from bad


async def checked(document: Any, tenant_id: str, load: Load, sent: str = "") -> Tenant:
    """The document as this tenant. ``sent`` is the path of the part that the caller sent.

    Raises ApiError 422 with every problem found.
    """
    try:
        tenant = await asyncio.to_thread(checked_tenant, document, load)
    except InvalidTenant as invalid:
        raise _does_not_fit(invalid.problems, sent) from invalid
    if tenant.id != tenant_id:
        problem = FieldProblem("id", f"'{tenant_id[:63]}' as in the address", "correct one of the two")
        raise _does_not_fit((problem,))
    return tenant


def require_own_secrets(caller: Caller, tenant: Tenant, row: Row | None, sent: str = "") -> None:
    """Raises ApiError 422 when a tenant's administrator refers to secrets that are not the tenant's."""
    if caller.tenant is None:
        return
    problems = tuple(foreign_secrets(tenant, row.tenant if row else None))
    if problems:
        raise _does_not_fit(problems, sent)


def _does_not_fit(problems: Iterable[FieldProblem], sent: str = "") -> ApiError:
    fields = tuple(replace(problem, field=problem.field.removeprefix(sent)) for problem in problems)
    return ApiError(422, "the tenant has fields that do not fit", fields)


def tenant_answer(row: Row, status: int = 200) -> Response:
    headers = {"etag": etag(row.version)}
    return Response(row.configuration, status, media_type="application/json", headers=headers)


def written_answer(written: Written) -> Response:
    assert written.after is not None
    return tenant_answer(written.after, 200 if written.before else 201)


def _summary(row: Row) -> dict[str, Any]:
    tenant = row.tenant
    return {
        "id": row.id,
        "name": tenant.name,
        "version": row.version,
        "languages": tenant.languages,
        "connections": [connection.id for connection in tenant.connections],
    }
