"""A recorded session as a file: JSON in a stable order, for people to read and for tests to keep."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json as any_from_json
from pydantic_core import to_json as any_to_json

from m2n.field_problems import field_problems
from services.sessions.replay import Recording
from services.sessions.step_record import StepRecord

VERSION = 1
_TEXTS = ("event", "before", "result")
"""Parts of a record that are JSON texts in themselves; a file shows them as objects."""


class NotARecording(Exception):
    """The file cannot be read as a recording; the text says why."""


def write_recording(path: Path, recording: Recording) -> None:
    document = {
        "v": VERSION,
        "tenant": recording.tenant,
        "session": recording.session_id,
        "tenants": {digest: any_from_json(text) for digest, text in sorted(recording.tenants.items())},
        "steps": [_shown(record) for record in recording.steps],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_recording(path: Path) -> Recording:
    """Raises NotARecording."""
    try:
        document = any_from_json(path.read_bytes())
    except (OSError, ValueError) as bad:
        raise NotARecording(f"cannot be read as JSON: {bad}") from bad
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise NotARecording(f"expected a recording with v: {VERSION}; write one with `m2n replay SESSION --save FILE`")
    try:
        return _recording(document)
    except ValidationError as bad:
        raise NotARecording("; ".join(str(problem) for problem in field_problems(bad, "steps[]"))) from bad
    except (KeyError, TypeError, AttributeError) as bad:
        raise NotARecording(f"a part is missing or of another shape: {bad}") from bad


def _recording(document: dict[str, Any]) -> Recording:
    return Recording(
        tenant=document["tenant"],
        session_id=document["session"],
        steps=tuple(_record(shown) for shown in document["steps"]),
        tenants={digest: any_to_json(tenant).decode() for digest, tenant in document["tenants"].items()},
    )


def _shown(record: StepRecord) -> dict[str, Any]:
    shown = record.model_dump(mode="json", exclude_none=True)
    return shown | {name: any_from_json(shown[name]) for name in _TEXTS if name in shown}


def _record(shown: dict[str, Any]) -> StepRecord:
    texts = {name: any_to_json(shown[name]).decode() for name in _TEXTS if name in shown}
    return StepRecord.model_validate_json(any_to_json(shown | texts))
