"""The schemas in docs/ are those of the models."""

import json
from pathlib import Path

from m2n.json_schemas import schema_files

COMMITTED = Path(__file__).parents[2] / "docs" / "schema"


def test_the_committed_schemas_are_up_to_date() -> None:
    """When this fails, run ``m2n schema`` and commit what it wrote."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("*.json")}
    assert committed == schema_files()


def test_they_are_json_schemas_with_titles() -> None:
    titles = {json.loads(content)["title"] for content in schema_files().values()}
    assert titles == {"Inbound", "Outbound", "Receipt", "Turn", "Reply", "Tenant", "BotContent"}
