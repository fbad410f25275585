"""Stored models: one file each, named by what it was trained from. Data only, never code.

A file is numpy's `.npz`: the weights as arrays, and settings and vocabulary as JSON in an array of bytes.
It is read with allow_pickle=False and checked whole, since a file may have been changed by others.
"""

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.nlp.builtin.calibration import Calibration
from services.nlp.builtin.scoring import IntentModel
from services.nlp.builtin.vectors import Floats, Vectorizer, Vocabulary

MAX_MODEL_BYTES = 1 << 30
_ARRAYS = {"word_idf", "character_idf", "weights", "bias"}
_SETTINGS = "settings"
_HASH = re.compile(r"[0-9a-f]{64}")


class ModelFileError(ValueError):
    """A model file that is damaged, of another kind, or tampered with."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    intents: list[str]
    words: list[str]
    characters: list[str]
    threshold: float = Field(ge=0, le=1)
    margin: float = Field(ge=0, le=1)
    known_share: float = Field(ge=0, le=1)
    accuracy: float | None = Field(ge=0, le=1)


class ModelStore:
    """A folder of model files. Give each tenant a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, content_hash: str) -> Path:
        """Where the model of this hash is kept. Raises ValueError for what is no hash."""
        if not _HASH.fullmatch(content_hash):
            raise ValueError(f"expected a SHA-256 in hexadecimal, got {content_hash!r}")
        return self._folder / f"{content_hash}.npz"

    def load(self, content_hash: str) -> IntentModel | None:
        """The stored model, or None if there is none. Raises ModelFileError for a file that is not in order."""
        path = self.path(content_hash)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if size > MAX_MODEL_BYTES:
            raise _refused(path, f"it has {size} bytes, over the limit of {MAX_MODEL_BYTES}")
        model = load_model(path.read_bytes(), path)
        if model.content_hash != content_hash:
            raise _refused(path, f"it holds the model {model.content_hash}")
        return model

    def save(self, model: IntentModel) -> Path:
        """Write the model so that a reader sees the whole file or none. Raises OSError when it cannot."""
        path = self.path(model.content_hash)
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".new-", delete=False) as file:
            try:
                file.write(dump_model(model))
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return path


def dump_model(model: IntentModel) -> bytes:
    """The model's file. The same model gives the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        settings=np.frombuffer(_settings(model).encode(), dtype=np.uint8),
        word_idf=model.vectorizer.words.idf,
        character_idf=model.vectorizer.characters.idf,
        weights=model.weights,
        bias=model.bias,
    )
    return buffer.getvalue()


def _settings(model: IntentModel) -> str:
    calibration = model.calibration
    settings = _Settings(
        content_hash=model.content_hash,
        intents=list(model.intents),
        words=list(model.vectorizer.words.features),
        characters=list(model.vectorizer.characters.features),
        threshold=calibration.threshold,
        margin=calibration.margin,
        known_share=calibration.known_share,
        accuracy=calibration.accuracy,
    )
    return json.dumps(settings.model_dump(), sort_keys=True, separators=(",", ":"))


def load_model(data: bytes, path: Path) -> IntentModel:
    """Read a model file's bytes; `path` is for the error. Raises ModelFileError for what is not in order."""
    members = _read_members(data, path)
    settings = _read_settings(members[_SETTINGS], path)
    arrays = {name: _checked_floats(members[name], name, path) for name in sorted(_ARRAYS)}
    _check_shapes(settings, arrays, path)
    return IntentModel(
        settings.content_hash,
        tuple(settings.intents),
        Vectorizer(
            Vocabulary(tuple(settings.words), arrays["word_idf"]),
            Vocabulary(tuple(settings.characters), arrays["character_idf"]),
        ),
        arrays["weights"],
        arrays["bias"],
        Calibration(settings.threshold, settings.margin, settings.known_share, settings.accuracy),
    )


def _read_members(data: bytes, path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    try:
        _check_unpacked_size(data, path)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if set(archive.files) != {*_ARRAYS, _SETTINGS}:
                raise _refused(path, f"expected the parts {sorted({*_ARRAYS, _SETTINGS})}, got {archive.files}")
            return {name: archive[name] for name in archive.files}
    except ModelFileError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for damaged input
        raise _refused(path, f"it cannot be read as numbers ({type(error).__name__}: {error})") from None


def _check_unpacked_size(data: bytes, path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_MODEL_BYTES:
        raise _refused(path, f"it unpacks to {size} bytes, over the limit of {MAX_MODEL_BYTES}")


def _read_settings(raw: np.ndarray[Any, Any], path: Path) -> _Settings:
    if raw.dtype != np.uint8 or raw.ndim != 1:
        raise _refused(path, f"settings: expected bytes, got {raw.dtype} of shape {raw.shape}")
    try:
        return _Settings.model_validate_json(raw.tobytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in ("settings", *first["loc"]))
        raise _refused(path, f"{place}: {first['msg']}") from None


def _checked_floats(array: np.ndarray[Any, Any], name: str, path: Path) -> Floats:
    if array.dtype != np.float64:
        raise _refused(path, f"{name}: expected float64, got {array.dtype}")
    if not np.isfinite(array).all():
        raise _refused(path, f"{name}: expected finite numbers, got some that are not")
    return np.ascontiguousarray(array)


def _check_shapes(settings: _Settings, arrays: Mapping[str, Floats], path: Path) -> None:
    words, characters, intents = len(settings.words), len(settings.characters), len(settings.intents)
    expected = {
        "word_idf": (words,),
        "character_idf": (characters,),
        "weights": (words + characters, intents),
        "bias": (intents,),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise _refused(path, f"{name}: expected shape {shape}, got {arrays[name].shape}")
    for name in ("words", "characters", "intents"):
        entries: list[str] = getattr(settings, name)
        if len(set(entries)) != len(entries):
            raise _refused(path, f"settings.{name}: expected each entry once, got one twice")


def _refused(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(f"the model file {path} is refused: {reason}; delete it, and it is trained anew")
