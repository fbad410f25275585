"""The echo engine's service."""

from m2n.adapters.engine_service import engine_service
from tests.faults.echo import ECHO_SERVICE
from tests.faults.echo.adapter import engine

service = engine_service(engine, ECHO_SERVICE.app_id)
app = service.app
