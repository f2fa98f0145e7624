"""Objects out of plain mappings: every field used or refused, every message names the field."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import DataError
from trials.errors import TrialError

type Config = Mapping[str, Any]


def make(where: str, spec: Config, **given: Any) -> Any:
    """Make the object a mapping with ``_target_`` describes; `given` fills in fields that it has and leaves open."""
    path = spec.get("_target_")
    if not isinstance(path, str) or "." not in path:
        raise TrialError(f"{where}._target_: wants the dotted name of a class, got {path!r}")
    module, _, name = path.rpartition(".")
    try:
        target: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise TrialError(f"{where}._target_: there is no {path!r} to import") from None
    if not isinstance(target, type) or not dataclasses.is_dataclass(target):
        raise TrialError(f"{where}._target_: wants a dataclass, got {path!r}")
    fields = {field.name: field for field in dataclasses.fields(target) if field.init}
    values = {key: value for key, value in spec.items() if key != "_target_"}
    known(where, values, fields)
    values = {key: value for key, value in given.items() if key in fields} | values
    complete(where, values, fields.values())
    try:
        return target(**{key: _made(f"{where}.{key}", value) for key, value in values.items()})
    except (TypeError, DataError) as error:
        raise TrialError(f"{where}: {error}") from None


def known(where: str, spec: Config, names: Iterable[str]) -> None:
    """Refuse fields a mapping should not have."""
    names = list(names)
    for key in spec:
        if key not in names:
            label = f"{where}.{key}" if where else str(key)
            raise TrialError(f"{label}: unknown field{near(str(key), names)}; known are {', '.join(names)}")


def section(config: Config, name: str, where: str = "") -> Config:
    """Get a mapping that must be there and not be empty."""
    found = config.get(name)
    if not isinstance(found, Mapping) or not found:
        raise TrialError(f"{where or name}: wants a mapping of fields, got {found!r}")
    return found


def text(config: Config, name: str, where: str = "", *, required: bool = True) -> str:
    """Get a text, folded to one line; refused when it is not there."""
    found = config.get(name)
    if found is None and not required:
        return ""
    if not isinstance(found, str) or not found.strip():
        raise TrialError(f"{where + '.' if where else ''}{name}: wants a text, got {found!r}")
    return " ".join(found.split())


def complete(where: str, values: Config, fields: Iterable[dataclasses.Field[Any]]) -> None:
    """Refuse a mapping that leaves out a field without a default."""
    for field in fields:
        open_ = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if open_ and field.name not in values:
            raise TrialError(f"{where}.{field.name}: missing")


def whole(where: str, value: object, least: int) -> int:
    """Check a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < least:
        raise TrialError(f"{where}: wants a whole number of at least {least}, got {value!r}")
    return int(value)


def number(where: str, value: object) -> float:
    """Check a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrialError(f"{where}: wants a number, got {value!r}")
    return float(value)


def _made(where: str, value: Any) -> Any:
    """A value as a frozen dataclass holds it: lists as tuples, mappings with ``_target_`` as what they describe."""
    if isinstance(value, Mapping) and "_target_" in value:
        return make(where, value)
    return tuple(_made(where, item) for item in value) if isinstance(value, list) else value


def near(name: str, names: Iterable[Any]) -> str:
    """Say which known name was probably meant, or nothing."""
    found = difflib.get_close_matches(name, [str(other) for other in names], n=1)
    return f", did you mean {found[0]!r}?" if found else ""
