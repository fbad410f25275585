"""The scaffold's channel as a good example: written into a folder and imported from there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import services.channels
from deploy.scaffold.new_channel import SECTION, new_channel
from m2n.certify.certificate import Certificate

NAME = "m2n_model"
PACKAGE = f"services.channels.{NAME}"


@contextmanager
def model_channel(folder: Path) -> Iterator[Certificate]:
    """Its certificate; nothing of it is left in this process afterwards."""
    (folder / "pyproject.toml").write_text(f'{SECTION}\nother = "services.channels.other.adapter:channel"\n')
    new_channel(NAME, folder)
    place = str(folder / "services" / "channels")
    services.channels.__path__.append(place)
    try:
        yield import_module(f"{PACKAGE}.certification").certificate
    finally:
        services.channels.__path__.remove(place)
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]
