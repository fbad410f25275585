"""The table of services."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Service:
    """One process of a FastAPI app.

    `name` is its name in logs and commands; `public_port` is the port it has in `make run` unless M2N_PORT_<NAME>
    says otherwise (None: any free port). `replica_of` names the service that it is one more process of.
    """

    name: str
    module: str
    sidecar: bool = True
    public_port: int | None = None
    import_path: Path | None = None
    replica_of: str | None = None

    @property
    def app_id(self) -> str:
        """Its Dapr app-id."""
        return self.replica_of or self.name

    @property
    def port_variable(self) -> str:
        return "M2N_PORT_" + self.name.upper().replace("-", "_")


SERVICES: tuple[Service, ...] = (
    Service("webhooks", "services.webhooks.app", public_port=8000),
    Service("identification", "services.identification.app"),
    Service("sessions", "services.sessions.app"),
    Service("nlp-builtin", "services.nlp.builtin.app"),
    Service("handover-desk", "services.handover.desk.app", public_port=8002),
    Service("delivery", "services.delivery.app"),
    Service("tenants", "services.tenants.app", public_port=8001),
    Service("simulator", "services.simulator.app", sidecar=False, public_port=8003),
)
