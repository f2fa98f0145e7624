"""Reading a model's file so that every message can name the line it speaks of."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.errors import ModelError

type Keys = tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """YAML without YAML 1.1's words for booleans: ``n``, ``y``, ``on`` are names a model may use."""


_AS_TEXT = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _AS_TEXT]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Source:
    """Plain data read from a file or handed over as a mapping, and where each of its keys stands."""

    data: Mapping[str, Any]
    label: str = ""
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def at(self, *keys: str) -> str:
        """Where a key stands, for people: ``warfarin.yaml line 23, derivatives.central``."""
        line = next((self.lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.lines), None)
        place = f"{self.label} line {line}" if line else self.label
        return ", ".join(part for part in (place, ".".join(map(str, keys))) if part)

    def refuse(self, message: str, *keys: str) -> ModelError:
        """Make the error for what stands at ``keys``."""
        where = self.at(*keys)
        return ModelError(f"{where}: {message}" if where else message)

    def section(self, *keys: str, required: bool = True) -> Mapping[str, Any]:
        """Get the mapping at ``keys``; an absent one is empty unless required."""
        found: Any = self.data
        for key in keys:
            found = found.get(key)
        if found is None and not required:
            return {}
        if not isinstance(found, Mapping):
            raise self.refuse(f"a mapping of names is wanted, got {found!r}", *keys)
        if required and not found:
            raise self.refuse("is empty", *keys)
        return found

    def number(self, found: object, *keys: str) -> float:
        """Take a finite number, which YAML 1.1 leaves as text when it is written ``1e-3``."""
        try:
            value = float(found) if isinstance(found, int | float | str) and not isinstance(found, bool) else math.nan
        except (ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise self.refuse(f"a finite number is wanted, got {found!r}", *keys)
        return value

    def check_keys(self, known: Iterable[str], required: Iterable[str], *keys: str) -> None:
        """Refuse unknown keys and missing ones in the mapping at ``keys``."""
        section, known = self.section(*keys), tuple(known)
        for key in section:
            if key not in known:
                named = str(key).isidentifier()
                hint = suggest(key, known) if named else " (text with a comma in it needs quotes)"
                place = (*keys, key) if named else keys
                raise self.refuse(f"unknown key {key!r}{hint}; known are {', '.join(known)}", *place)
        if missing := [key for key in required if section.get(key) is None]:
            raise self.refuse(f"{', '.join(missing)} missing", *keys)


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def read_mapping(data: Mapping[str, Any]) -> Source:
    """Take a mapping as it is; messages name its keys only."""
    name = data.get("name")
    return Source(data, f"model {name}" if isinstance(name, str) else "model")


def read_file(path: Path) -> Source:
    """Read a YAML file, remembering the line of each key; duplicate keys are refused."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines: dict[Keys, int] = {}
        data = _construct(loader, node, (), lines, path.name) if node else None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
    except yaml.YAMLError as error:
        raise ModelError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path.name}: a model is a mapping with name, parameters, states, ..., got {data!r}")
    return Source(data, path.name, lines)


def _construct(loader: _Loader, node: yaml.Node, keys: Keys, lines: dict[Keys, int], label: str) -> Any:
    lines[keys] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*keys, str(n)), lines, label) for n, item in enumerate(node.value, 1)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(getattr(key_node, "value", ""))
        if key in result:
            raise ModelError(f"{label} line {key_node.start_mark.line + 1}: {'.'.join((*keys, key))} is given twice")
        result[key] = _construct(loader, value_node, (*keys, key), lines, label)
        lines[(*keys, key)] = key_node.start_mark.line + 1
    return result
