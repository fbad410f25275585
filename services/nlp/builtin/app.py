"""The built-in engine's service."""

from m2n.adapters.engine_service import engine_service
from services.nlp.builtin.adapter import engine

service = engine_service(engine, "nlp-builtin")
app = service.app
