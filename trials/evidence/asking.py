"""Frozen dataclasses from plain YAML, with everything that is wrong or missing found at once, not one by one."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Notes:
    """What was found while reading: fields that are `missing` and fields that are `wrong`, in words."""

    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def refuse(self, where: str, got: object, wanted: str) -> None:
        """Note that a field is not what it should be."""
        self.wrong.append(f"{where}: got {got!r}, wanted {wanted}")


def answered[T](kind: type[T], value: object, notes: Notes, where: str = "") -> T:
    """Make `kind` of a mapping.

    A field of type text, number, yes or no, choice, list, mapping, another dataclass, or any of them or None. What is
    null or absent though it has no default is noted as missing, and stays empty text, None or an empty tuple.
    """
    made: T = _dataclass(kind, value, notes, where)
    return made


def _dataclass(kind: Any, value: object, notes: Notes, where: str) -> Any:
    given: Mapping[Any, Any] = value if isinstance(value, Mapping) else {}
    if not isinstance(value, Mapping | NoneType):
        notes.refuse(where, value, "a mapping of fields")
        notes = Notes()  # what it lacks follows from that
    known = {one.name: one for one in dataclasses.fields(kind)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            notes.wrong.append(f"{_inside(where, name)}: is not known{hint}")
    hints = get_type_hints(kind)
    made = {}
    for name, one in known.items():
        if name in given or not _has_default(one):
            made[name] = _value(hints[name], given.get(name), notes, _inside(where, name))
    return kind(**made)


def _has_default(one: dataclasses.Field[Any]) -> bool:
    return one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING


def _inside(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _value(hint: Any, value: object, notes: Notes, where: str) -> Any:
    if NoneType in get_args(hint):
        inner = next(one for one in get_args(hint) if one is not NoneType)
        return None if value is None else _value(inner, value, notes, where)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, notes, where)
    origin = get_origin(hint)
    if value is None:
        notes.missing.append(where)
        return {Mapping: {}, tuple: ()}.get(origin, "" if hint is str or origin is Literal else None)
    if origin is tuple:
        return _list(get_args(hint)[0], value, notes, where)
    if origin is Mapping:
        return _mapping(get_args(hint)[1], value, notes, where)
    if origin is Literal:
        return _choice(get_args(hint), value, notes, where)
    return _plain(hint, value, notes, where)


def _list(hint: Any, value: object, notes: Notes, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        notes.refuse(where, value, "a list")
        return ()
    return tuple(_value(hint, one, notes, f"{where}[{number}]") for number, one in enumerate(value))


def _mapping(hint: Any, value: object, notes: Notes, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        notes.refuse(where, value, "a mapping")
        return {}
    return {str(name): _value(hint, one, notes, _inside(where, name)) for name, one in value.items()}


def _choice(options: tuple[str, ...], value: object, notes: Notes, where: str) -> str:
    if value not in options:
        notes.refuse(where, value, f"one of {', '.join(options)}")
        return ""
    return str(value)


def _plain(hint: Any, value: object, notes: Notes, where: str) -> Any:
    if hint is str and isinstance(value, str) and value.strip():
        return " ".join(value.split())
    if hint is bool and isinstance(value, bool):
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    notes.refuse(where, value, {str: "text", bool: "yes or no", float: "a number"}[hint])
    return "" if hint is str else None
