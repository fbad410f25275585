"""Which agent calls: API keys of the tenant with the role agent or admin."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from m2n.api_errors import ApiError
from m2n.apikeys import KeyRefused, RoleRefused, authorize, bearer_key, tenant_of
from m2n.media import MediaLibrary
from m2n.tenant import Role
from m2n.tenants import TenantDirectory, UnknownTenant
from services.handover.desk.conversation import Agent
from services.handover.desk.shown import AgentView
from services.handover.desk.store import Conversations
from services.handover.desk.work import AgentWork


@dataclass(frozen=True)
class DeskApi:
    """What the routes work with."""

    tenants: TenantDirectory
    conversations: Conversations
    work: AgentWork
    view: AgentView
    library: MediaLibrary


def _desk_api(request: Request) -> DeskApi:
    return request.app.state.desk_api


Api = Annotated[DeskApi, Depends(_desk_api)]


async def _agent(api: Api, authorization: Annotated[str | None, Header()] = None) -> Agent:
    try:
        return await _identify(api.tenants, bearer_key(authorization))
    except KeyRefused as refused:
        raise ApiError(401, str(refused), headers={"www-authenticate": "Bearer"}) from refused
    except RoleRefused as refused:
        raise ApiError(403, str(refused)) from refused


async def _identify(tenants: TenantDirectory, key: str) -> Agent:
    tenant = tenant_of(key)
    try:
        api_keys = (await tenants.tenant(tenant)).api_keys if tenant else ()
    except UnknownTenant:
        api_keys = ()
    known = authorize(api_keys, key, {Role.AGENT, Role.ADMIN})
    return Agent(tenant=tenant or "", key=known.id, supervisor=known.role is Role.ADMIN)


CallingAgent = Annotated[Agent, Depends(_agent)]
