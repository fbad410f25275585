"""JSON in and out of the models, and the serializer of the actors.

The actor SDK's own serializer turns texts such as ``5h`` or ``2024-06-01`` into other types, and MongoDB's state
component evaluates strings that begin with ``$`` inside stored objects; so what is kept in Dapr's state travels as
base64 of JSON.
"""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import orjson
from dapr.serializers import Serializer
from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def to_json(model: BaseModel) -> bytes:
    return model.model_dump_json(exclude_none=True).encode()


def from_json(kind: type[M], data: bytes | str) -> M:
    """Raises pydantic.ValidationError when the data does not fit the model."""
    return kind.model_validate_json(data)


def to_state(model: BaseModel) -> str:
    """A model as a text of letters, digits, ``+ / =``: nothing on its way can take it for something else."""
    return base64.b64encode(to_json(model)).decode()


def from_state(kind: type[M], text: str) -> M:
    return from_json(kind, base64.b64decode(text, validate=True))


def _default(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds() * 1000)}ms"
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} is not JSON")


class JsonSerializer(Serializer):
    """Plain JSON for actor messages: bytes pass untouched, texts stay texts, durations go out as Go writes them."""

    def serialize(self, obj: object, custom_hook: Callable[[object], bytes] | None = None) -> bytes:
        return obj if isinstance(obj, bytes) else orjson.dumps(obj, default=_default)

    def deserialize(
        self,
        data: bytes,
        data_type: type | None = object,
        custom_hook: Callable[[bytes], object] | None = None,
    ) -> Any:
        return data if data_type is bytes or not data else orjson.loads(data)
