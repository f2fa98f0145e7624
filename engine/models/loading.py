"""Finding, reading and checking a model; ``engine.load_model`` is the way to get one.

A model is one YAML file, in ``conf/model`` or anywhere::

    name: drug                      # letters, digits and _
    reference: citation with a DOI
    time: h                         # unit of t and of every rate
    parameters:                     # what differs between people
      cl: {unit: L/h, meaning: clearance, value: 3, source: who found it}    # value, source: of a typical person
      v: {unit: L, meaning: volume, value: 30, source: the same}
    states:                         # what changes; doses go into states
      central: {unit: mg}           # also lag, bioavailability, duration, rate, initial: expressions of parameters
    let:                            # abbreviations, in any order
      cp: central / v
    derivatives:                    # for every state
      central: -cl * cp
    outputs:                        # what a simulation returns
      concentration: {value: cp, unit: mg/L, meaning: drug in plasma}

:mod:`engine.models.evidence` has the keys ``example``, ``checks`` and ``moves``, which show that a model is right.

Expressions are Python's arithmetic with ``where(condition, a, b)``, comparisons, ``exp log sqrt min max ...``, the
model's names and ``t``. Units are checked exactly: a factor between units is a parameter with that unit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.configuration import folder
from engine.errors import ModelError
from engine.models.check import check_names, check_units, check_used, order
from engine.models.evidence import KEYS as EVIDENCE
from engine.models.evidence import Evidence, read_evidence
from engine.models.expression import Expression, parse
from engine.models.reading import Source, read_file, read_mapping, suggest
from engine.models.specification import Model, Output, Parameter, State

__all__ = ["Model", "Output", "Parameter", "State", "library", "load_evidence", "load_model"]

_REQUIRED = ("name", "reference", "time", "parameters", "states", "derivatives", "outputs")
_ADMINISTRATION = ("lag", "bioavailability", "duration", "rate", "initial")


def load_model(source: str | Path | Mapping[str, Any]) -> Model:
    """Model read from its text, with everything checked: keys, names, equations and units.

    Parameters
    ----------
    source
        Name of a model of the library (``conf/model/<name>.yaml``), path of a YAML file, or a mapping of the same form
        (such as :meth:`Model.to_dict` gives).

    Raises
    ------
    ModelError
        Naming the file, the line and the field that is wrong, what it got and what it wanted.
    """
    return _load(source)[0]


def load_evidence(source: str | Path | Mapping[str, Any]) -> Evidence:
    """Example and checks of a model, which are no part of it; ``source`` and errors as for :func:`load_model`."""
    return _load(source)[1]


def library() -> dict[str, Path]:
    """Name and path of every model in ``conf/model``."""
    return {path.stem: path for path in sorted(_folder().glob("*.yaml"))}


def _folder() -> Path:
    return folder("model")


def _load(source: str | Path | Mapping[str, Any]) -> tuple[Model, Evidence]:
    read = read_mapping(source) if isinstance(source, Mapping) else read_file(_find(source))
    read.check_keys((*_REQUIRED, "let", *EVIDENCE), _REQUIRED)
    model = _declare(read)
    check_names(model, read)
    model = order(model, read)
    check_units(model, read)
    check_used(model, read)
    return model, read_evidence(read, model)


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        return path
    known = library()
    if str(source) not in known:
        hint = suggest(str(source), known) or f"; known are {', '.join(known)}"
        raise ModelError(f"no model {str(source)!r}{hint} (a file's name ends in .yaml)")
    return known[str(source)]


def _declare(source: Source) -> Model:
    for section in ("let", "derivatives"):
        source.section(section, required=section != "let")
    return Model(
        name=_text(source, "name"),
        reference=_text(source, "reference"),
        time=_text(source, "time"),
        parameters=tuple(_parameter(source, name) for name in source.section("parameters")),
        states=tuple(_state(source, name) for name in source.section("states")),
        let=tuple((name, _expression(source, "let", name)) for name in source.section("let", required=False)),
        derivatives=tuple((name, _expression(source, "derivatives", name)) for name in source.section("derivatives")),
        outputs=tuple(_output(source, name) for name in source.section("outputs")),
    )


def _parameter(source: Source, name: str) -> Parameter:
    keys = ("parameters", name)
    source.check_keys(("unit", "meaning", "value", "source"), ("unit", "meaning"), *keys)
    value = source.section(*keys).get("value")
    return Parameter(
        name,
        unit=_unit(source, *keys),
        meaning=_text(source, *keys, "meaning"),
        value=None if value is None else source.number(value, *keys, "value"),
        source=_text(source, *keys, "source"),
    )


def _state(source: Source, name: str) -> State:
    keys = ("states", name)
    source.check_keys(("unit", "meaning", *_ADMINISTRATION), ("unit",), *keys)
    given = source.section(*keys)
    optional = {field: _expression(source, *keys, field) for field in _ADMINISTRATION if given.get(field) is not None}
    return State(name, unit=_unit(source, *keys), meaning=_text(source, *keys, "meaning"), **optional)


def _output(source: Source, name: str) -> Output:
    keys = ("outputs", name)
    source.check_keys(("value", "unit", "meaning"), ("value", "unit"), *keys)
    value, unit = _expression(source, *keys, "value"), _unit(source, *keys)
    return Output(name, value, unit, meaning=_text(source, *keys, "meaning"))


def _get(source: Source, *keys: str) -> Any:
    found: Any = source.data
    for key in keys:
        found = found.get(key)
    return found


def _text(source: Source, *keys: str) -> str:
    found = _get(source, *keys)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise source.refuse(f"text is wanted, got {found!r}", *keys)
    return " ".join(found.split())


def _unit(source: Source, *keys: str) -> str:
    found = _get(source, *keys, "unit")
    return "1" if found == 1 and not isinstance(found, bool) else _text(source, *keys, "unit")


def _expression(source: Source, *keys: str) -> Expression:
    expression = parse(_get(source, *keys), source.at(*keys))
    if expression.is_condition:
        raise source.refuse(f"a number is wanted, got the condition {expression}; write where(..., 1, 0)", *keys)
    return expression
