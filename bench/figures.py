"""The figures of a run: several values each, one a repetition, with the machine they were measured on."""

import json
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from deploy.local.places import ROOT


@dataclass(frozen=True)
class Figure:
    """``group`` is what it belongs to, ``unit`` what it is counted in; lower is better unless it is a rate."""

    group: str
    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def key(self) -> str:
        return f"{self.group} / {self.name} [{self.unit}]"

    @property
    def median(self) -> float:
        return median(self.values)

    def shown(self) -> str:
        """min / median / max."""
        return " / ".join(_short(value) for value in (min(self.values), self.median, max(self.values)))


class Figures:
    """Collects values in the order in which they are first named."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, group: str, name: str, unit: str, value: float) -> None:
        self._values[group, name, unit].append(value)

    def all(self) -> tuple[Figure, ...]:
        return tuple(Figure(*key, tuple(values)) for key, values in self._values.items())


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the sorted values do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def add_times(figures: Figures, group: str, acks: Sequence[float], replies: Sequence[float]) -> None:
    """Sorted times in milliseconds; no replies: they were not looked at."""
    for name, values in (("webhook acknowledged", acks), ("webhook to reply", replies)):
        for share in (0.5, 0.99) if values else ():
            figures.add(group, f"{name}, p{share * 100:g}", "ms", percentile(values, share))


def machine() -> dict[str, Any]:
    """What the figures depend on, as far as it can be asked."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else ""),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def write(path: Path, facts: Mapping[str, Any], figures: Iterable[Figure]) -> None:
    rows = [vars(figure) | {"values": list(figure.values)} for figure in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": facts, "figures": rows}, indent=1) + "\n")


def read(path: Path) -> tuple[dict[str, Any], tuple[Figure, ...]]:
    """Raises OSError, ValueError."""
    document = json.loads(path.read_text())
    rows = (Figure(row["group"], row["name"], row["unit"], tuple(row["values"])) for row in document["figures"])
    return document["machine"], tuple(rows)


def table(figures: Iterable[Figure]) -> str:
    """In Markdown: one row a figure, min / median / max."""
    lines, group = [], ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            lines += ["", f"**{group}**", "", "| | unit | min / median / max |", "|---|---|---|"]
        lines.append(f"| {figure.name} | {figure.unit} | {figure.shown()} |")
    return "\n".join(lines[1:])


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
