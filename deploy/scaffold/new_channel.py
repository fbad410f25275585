"""``make new-channel NAME=pigeon``: writes an adapter that works, of an invented vendor, to be made the real one's.

It only adds: a folder that is there is never written over.
"""

import keyword
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).parent / "channel"
SUFFIX = ".template"
SECTION = '[project.entry-points."m2n.channels"]'
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 30
"""So that the lines of the templates stay short enough; a connection's ``adapter`` may be longer (m2n.tenant)."""


class CannotWrite(ValueError):
    """The channel cannot be made; its text says why and what to do."""


def new_channel(name: str, root: Path = ROOT) -> tuple[Path, ...]:
    """Write the channel's folder and its entry point; returns the files. Raises CannotWrite, and then wrote nothing."""
    folder, project = root / "services" / "channels" / name, root / "pyproject.toml"
    _check(name, folder)
    listed = with_entry_point(project.read_text("utf-8"), name)
    written = tuple(_write(template, folder, _words(name)) for template in sorted(TEMPLATES.rglob(f"*{SUFFIX}")))
    project.write_text(listed, "utf-8")
    return written


def with_entry_point(project: str, name: str) -> str:
    """The project file with the channel's line at the end of its section. Raises CannotWrite."""
    before, found, after = project.partition(f"{SECTION}\n")
    if not found:
        raise CannotWrite(f"pyproject.toml has no section {SECTION}; add it")
    section, gap, rest = after.partition("\n\n")
    if re.search(rf"^{name}\s*=", section, re.MULTILINE):
        raise CannotWrite(f"pyproject.toml has a channel {name!r} already; take another name")
    line = f'{name} = "services.channels.{name}.adapter:channel"'
    return f"{before}{found}{section.rstrip()}\n{line}{gap or chr(10)}{rest}"


def _check(name: str, folder: Path) -> None:
    if not _NAME.fullmatch(name) or not 2 <= len(name) <= MAX_NAME or keyword.iskeyword(name):
        raise CannotWrite(
            f"NAME: expected 2 to {MAX_NAME} lower-case letters, digits and single '_' between them, "
            f"and no word of Python's; got {name!r}. What to do: make new-channel NAME=pigeon"
        )
    if folder.exists():
        raise CannotWrite(f"{folder} is there already and is not written over; take another name or remove it")


def _words(name: str) -> dict[str, str]:
    parts = name.split("_")
    return {
        "name": name,
        "dashed": "-".join(parts),
        "class_name": "".join(part.capitalize() for part in parts),
        "title": " ".join(part.capitalize() for part in parts),
    }


def _write(template: Path, folder: Path, words: dict[str, str]) -> Path:
    target = folder / template.relative_to(TEMPLATES).with_suffix("")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template(template.read_text("utf-8")).substitute(words), "utf-8")
    return target


def main(arguments: list[str]) -> int:
    try:
        written = new_channel(arguments[0] if arguments else "")
    except CannotWrite as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    shown = [str(path.relative_to(ROOT)) for path in written]
    sys.stdout.write("\n".join(["Wrote", *(f"  {path}" for path in shown), "and its line in pyproject.toml.", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
