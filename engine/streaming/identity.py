"""Digest of a value by its content: equal requests have equal digests, in every process and on every day."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DataError


def digest(value: object, where: str) -> str:
    """SHA-256 of a value's content.

    Parameters
    ----------
    value
        Numbers, text, arrays, frozen dataclasses, module-level functions, and tuples, lists and mappings of these.
    where
        What to call it in a message.

    Raises
    ------
    DataError
        For what has no content of its own to compare, such as a lambda or an object of an ordinary class.
    """
    sha = hashlib.sha256()
    for part in _parts(value, where):
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def code() -> str:
    """SHA-256 of the code that makes the numbers: every Python file of the engine."""
    root, sha = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        sha.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return sha.hexdigest()


def _parts(value: Any, where: str) -> "Iterator[bytes | memoryview]":
    if isinstance(value, np.ndarray) and value.dtype != object:
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
        return
    if isinstance(value, float | np.floating):
        yield f"float {float(value).hex()}".encode()
        return
    if value is None or isinstance(value, bool | int | str | np.integer | np.bool_):
        yield f"{type(value).__name__} {value}".encode()
        return
    yield type(value).__qualname__.encode()
    for child in _children(value, where):
        yield from _parts(child, where)


def _children(value: Any, where: str) -> list[Any]:
    """What a composite value is made of, in a fixed order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return [type(value).__module__, *fields]
    if isinstance(value, Mapping):
        return sorted(value.items(), key=lambda item: str(item[0]))
    if isinstance(value, tuple | list | np.ndarray):
        return list(value)
    if isinstance(value, range):
        return [value.start, value.stop, value.step]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, Callable) and "<" not in getattr(value, "__qualname__", "<"):  # type: ignore[arg-type]
        return [value.__module__, value.__qualname__]
    raise DataError(
        f"{where}: {value!r:.100} cannot be recognised again in another process, so a store cannot tell whether it "
        "holds this request; a frozen dataclass or a module-level function is wanted"
    )
