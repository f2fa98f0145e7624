"""Our own text of a model: the YAML file that ``load_model`` reads back to an equal model."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from engine.models.specification import Model

_WIDTH = 116


def write_yaml(model: Model, *, comments: Iterable[str] = ()) -> str:
    """Write a model as the text of a file for ``conf/model``.

    Parameters
    ----------
    model
        The equations.
    comments
        Lines put before it, for instance where it comes from.
    """
    plain = model.to_dict()
    lines = [f"# {line}".rstrip() for comment in comments for line in comment.splitlines()]
    lines += [f"name: {_scalar(plain['name'])}", *_reference(plain["reference"]), f"time: {_scalar(plain['time'])}"]
    for section in ("parameters", "states"):
        lines += [f"{section}:", *_rows(plain[section])]
    for section in ("let", "derivatives"):
        if plain[section]:
            lines += [f"{section}:", *(f"  {name}: {_scalar(text)}" for name, text in plain[section].items())]
    lines += ["outputs:", *_rows(plain["outputs"])]
    return "\n".join(lines) + "\n"


def _reference(text: str) -> list[str]:
    """Wrap a long citation as a folded block, which is read back as one line."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > _WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return ["reference: >-", *(f"  {line}" for line in lines)] if text else ['reference: ""']


def _rows(section: Mapping[str, Mapping[str, Any]]) -> list[str]:
    width = max(len(name) for name in section) + 1
    return [f"  {f'{name}:':<{width}} {{{_fields(fields)}}}" for name, fields in section.items()]


def _fields(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_scalar(value, inside=True)}" for name, value in fields.items())


def _scalar(value: str | float, *, inside: bool = False) -> str:
    """Text without quotes where YAML reads it back as it is (``inside`` braces fewer characters are plain)."""
    if not isinstance(value, str):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    special = any(character in value for character in ("{}[],:#&'\"\\" if inside else ":#'\"\\"))
    if not special and value.isprintable() and _reads_back(value):
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _reads_back(value: str) -> bool:
    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError:
        return False
    return bool(found == value) or (value == "1" and found == 1)
