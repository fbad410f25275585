"""JSON Schemas of what others may want to write or read: messages, turns and replies, tenants, bot content."""

import json
from pathlib import Path

from pydantic import BaseModel

from m2n.bot_content import BotContent
from m2n.events import Reply, Turn
from m2n.message import Inbound, Outbound, Receipt
from m2n.tenant import Tenant

MODELS: tuple[type[BaseModel], ...] = (Inbound, Outbound, Receipt, Turn, Reply, Tenant, BotContent)


def schema_files() -> dict[str, str]:
    """File name -> content, for each public model."""
    return {f"{_file_name(model)}.schema.json": _schema(model) for model in MODELS}


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in schema_files().items():
        path = folder / name
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def _file_name(model: type[BaseModel]) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in model.__name__).lstrip("-")


def _schema(model: type[BaseModel]) -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
