"""Finds adapters' certificates: by entry point, or by folder."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from m2n.adapters.registry import GROUPS
from m2n.certify.certificate import Certificate
from m2n.certify.findings import Finding
from m2n.certify.trying import Raised, attempt
from m2n.tenant import ConnectionKind

GROUP = GROUPS[ConnectionKind.CHANNEL]
INSTALL = "add it to pyproject.toml and install again (make setup)"


class NoAdapter(LookupError):
    """There is no adapter of that name or in that folder; its text says what there is."""


@dataclass(frozen=True)
class Found:
    """An adapter: its certificate, or why there is none; and what its place in the installation lacks."""

    name: str
    certificate: Certificate | None
    findings: tuple[Finding, ...] = ()


def installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def find(name_or_folder: str) -> Found:
    """The adapter of an entry point's name, or in a folder. Raises NoAdapter."""
    known = installed()
    if name_or_folder in known:
        return by_entry_point(known[name_or_folder])
    folder = Path(name_or_folder)
    if not (folder / "__init__.py").is_file():
        names = ", ".join(known) or "none"
        raise NoAdapter(f"{name_or_folder}: no folder of a Python package, and none of the installed channels: {names}")
    return by_folder(folder.resolve())


def by_entry_point(point: EntryPoint) -> Found:
    package = point.module.rpartition(".")[0]
    return _found(package.rpartition(".")[2], package, point)


def by_folder(folder: Path) -> Found:
    """Its package is named by the folders above that are packages, too; the one above those is put on the path."""
    parts, above = [folder.name], folder.parent
    while (above / "__init__.py").is_file():
        parts, above = [above.name, *parts], above.parent
    if str(above) not in sys.path:
        sys.path.insert(0, str(above))
    package = ".".join(parts)
    point = next((point for point in installed().values() if point.module.rpartition(".")[0] == package), None)
    return _found(folder.name, package, point)


def _found(folder_name: str, package: str, point: EntryPoint | None) -> Found:
    certificate = attempt(lambda: import_module(f"{package}.certification").certificate)
    if isinstance(certificate, Raised):
        do = "write certification.py with a certificate (m2n.certify.certificate)"
        absent = (
            isinstance(certificate.error, ModuleNotFoundError) and certificate.error.name == f"{package}.certification"
        )
        seen = "no such module" if absent else f"it raised {certificate}"
        finding = Finding(f"the module {package}.certification", "a certificate", seen, do)
        return Found(folder_name, None, (finding,))
    if not isinstance(certificate, Certificate):
        finding = Finding(
            f"{package}.certification", "a Certificate", type(certificate).__name__, "name it 'certificate'"
        )
        return Found(folder_name, None, (finding,))
    return Found(folder_name, certificate, tuple(_place(certificate, folder_name, point)))


def _place(certificate: Certificate, folder_name: str, point: EntryPoint | None) -> Iterator[Finding]:
    name = certificate.channel.name
    if name != folder_name:
        yield Finding("the channel's name", folder_name, repr(name), "name it as its folder")
    if point is None:
        yield Finding("the entry point", f"one of the group {GROUP} that leads to the folder", "none", INSTALL)
        return
    if point.name != folder_name:
        yield Finding("the entry point's name", folder_name, point.name, INSTALL)
    loaded = attempt(point.load)
    if isinstance(loaded, Raised) or type(loaded) is not type(certificate.channel):
        seen = f"it raised {loaded}" if isinstance(loaded, Raised) else type(loaded).__name__
        yield Finding("the entry point", "the channel that the certificate shows", seen, INSTALL)
    if not (certificate.fixtures.parent / "README.md").is_file():
        yield Finding("the folder", "a README.md that says how a connection is set up", "none", "write it")
