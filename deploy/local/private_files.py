"""Files that only their owner may read, and what the stack keeps in them."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; it is never readable for others, not even for a moment."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)


def merged_values(path: Path, wanted: Mapping[str, str | None]) -> dict[str, str]:
    """The JSON object in the file, with the wanted names added.

    A given value replaces what is there; None means: generate one unless there is one already.
    """
    values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for name, value in wanted.items():
        if value is not None:
            values[name] = value
        elif name not in values:
            values[name] = secrets.token_urlsafe(24)
    write_private(path, json.dumps(values, indent=2, sort_keys=True))
    return values


@dataclass(frozen=True)
class Credentials:
    """What the parts of one stack show each other. Generated once per data folder."""

    redis_password: str
    admin_key: str
    link_key: str
    app_tokens: dict[str, str]
    sidecar_tokens: dict[str, str]

    @classmethod
    def load(cls, path: Path, services: Iterable[str]) -> "Credentials":
        """Reads the file and generates what is not in it yet."""
        names = list(services)
        wanted = ["redis_password", "admin_key", "link_key"]
        wanted += [f"{kind}:{name}" for kind in ("app", "sidecar") for name in names]
        values = merged_values(path, dict.fromkeys(wanted))
        return cls(
            redis_password=values["redis_password"],
            admin_key=values["admin_key"],
            link_key=values["link_key"],
            app_tokens={name: values[f"app:{name}"] for name in names},
            sidecar_tokens={name: values[f"sidecar:{name}"] for name in names},
        )
