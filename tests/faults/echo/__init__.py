"""An engine for verification, as a service of the stack."""

from pathlib import Path

from deploy.local.services import Service

INSTALLED = Path(__file__).parent / "installed"
"""Import path with the engine's entry point, as an installed package has it."""
ECHO_SERVICE = Service("nlp-echo", "tests.faults.echo.app", import_path=INSTALLED)
