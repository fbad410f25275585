"""The tenants service: who the tenants are and what is theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from m2n.api_errors import add_error_answers
from m2n.apikeys import key_sha256
from m2n.dapr import DaprUnavailable, NotTaken
from m2n.database import open_database
from m2n.events import TENANT_CHANGED, TenantChanged
from m2n.service import Service, background
from m2n.telemetry import log
from services.tenants import connection_routes, dead_letter_routes, internal_routes, key_routes, tenant_routes
from services.tenants.access import Administration
from services.tenants.dead_letter_routes import LetterOffice
from services.tenants.dead_letter_store import DeadLetterStore
from services.tenants.redriving import Redriver, show_figures
from services.tenants.settings import TenantsSettings
from services.tenants.store import TenantStore

settings = TenantsSettings()  # pyright: ignore[reportCallIssue]
service = Service("tenants", follows_tenants=False)
client, database = open_database(service.settings)
store = TenantStore(client, database)
letters = DeadLetterStore(database)
redriver = Redriver(letters, service.dapr)


@asynccontextmanager
async def opened_store() -> AsyncIterator[None]:
    try:
        await store.prepare()
        await letters.prepare()
        yield
    finally:
        await client.close()


async def announce(tenant_id: str, version: int) -> None:
    """Tell the others. The change is committed and counts without it: copies also ask by version every few seconds."""
    try:
        await service.dapr.publish(TENANT_CHANGED, TenantChanged(tenant=tenant_id, version=version))
    except (DaprUnavailable, NotTaken) as failed:
        log().warning("change not announced", tenant=tenant_id, version=version, why=str(failed))


async def count_dead_letters() -> None:
    await show_figures(letters)


service.resource(opened_store)
service.resource(background("redrives", redriver.run))
service.resource(background("dead-letter figures", count_dead_letters))
app = service.app
app.state.administration = Administration(store, key_sha256(settings.admin_key.get_secret_value()), announce)
app.state.letter_office = LetterOffice(letters, redriver)
add_error_answers(app)
for routes in (connection_routes, key_routes, tenant_routes, internal_routes, dead_letter_routes):
    app.include_router(routes.router)
