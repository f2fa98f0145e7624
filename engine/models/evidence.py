"""What a model's file shows of itself: an example to run, and numbers that somebody else found.

Neither is part of the :class:`~engine.models.specification.Model` or of its digest. In the file::

    example:                        # doses and times at which every parameter matters
      dosing: 100 mg into depot every 24 h, 7 times
      times: {until: 168, every: 1}
    checks:                         # published numbers, or closed forms computed without the engine
      - {output: concentration, measure: at, at: 24, value: 1.23, tolerance: 1e-4, source: "who found it; or formula"}
    moves: why the states change in a person who takes nothing      # absent: they stand still

A check takes the example's ``dosing`` and ``parameters`` unless it gives its own. ``measure`` is ``at`` (the value at
the time ``at``), or ``max``, ``min``, ``time_of_max``, ``time_of_min``, ``auc`` between ``from`` (0) and ``until`` (the
end of the example). Times are in the model's unit of time, values in the output's unit (``auc``: times that of time).
The tolerance is relative to the value; absolute where the value is 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.dosing.regimen import Regimen
from engine.errors import DosingError
from engine.models.reading import Keys, Source
from engine.models.specification import Model

type Measure = Literal["at", "max", "min", "time_of_max", "time_of_min", "auc"]
MEASURES: tuple[str, ...] = get_args(Measure.__value__)
KEYS = ("example", "checks", "moves")
"""Keys of a model's file that are read here."""

_CHECK = ("dosing", "parameters", "output", "measure", "at", "from", "until", "value", "tolerance", "source")


@dataclass(frozen=True, slots=True)
class Example:
    """Doses of a typical person, whose parameters differ where ``parameters`` says so, seen until ``until``."""

    dosing: Regimen
    until: float
    every: float
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def times(self) -> NDArray[np.float64]:
        """From 0 to ``until`` in steps of ``every``."""
        return np.append(np.arange(0.0, self.until * (1 - 1e-12), self.every), self.until)


@dataclass(frozen=True, slots=True)
class Check:
    """A number that a simulation must meet within a relative tolerance, and where it is from."""

    output: str
    measure: Measure
    value: float
    tolerance: float
    source: str
    dosing: Regimen
    parameters: Mapping[str, float]
    at: float = 0.0
    since: float = 0.0
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Example and checks of a model; ``moves`` says why its states change without doses, empty when they do not."""

    example: Example | None = None
    checks: tuple[Check, ...] = ()
    moves: str = ""


def read_evidence(source: Source, model: Model) -> Evidence:
    """Read the keys :data:`KEYS` of a model's source; ModelError names the field that is wrong."""
    example = _example(source, model) if source.data.get("example") is not None else None
    listed = source.data.get("checks") or ()
    if not isinstance(listed, list | tuple):
        raise source.refuse(f"a list of checks is wanted, got {listed!r}", "checks")
    checks = tuple(_check(source, model, example, number, given) for number, given in enumerate(listed, 1))
    moves = source.data.get("moves") or ""
    if not isinstance(moves, str):
        raise source.refuse(f"text is wanted, got {moves!r}", "moves")
    return Evidence(example, checks, " ".join(moves.split()))


def _example(source: Source, model: Model) -> Example:
    source.check_keys(("dosing", "times", "parameters"), ("dosing", "times"), "example")
    source.check_keys(("until", "every"), ("until", "every"), "example", "times")
    given, times = source.section("example"), source.section("example", "times")
    until, every = (source.number(times[name], "example", "times", name) for name in ("until", "every"))
    if not 0 < every <= until:
        message = f"0 < every <= until is wanted, got every {every:g} and until {until:g}"
        raise source.refuse(message, "example", "times")
    place = ("example",)
    return Example(_dosing(source, given, place), until, every, _parameters(source, model, given, place))


def _check(source: Source, model: Model, example: Example | None, number: int, given: Any) -> Check:
    place = ("checks", str(number))
    if not isinstance(given, Mapping):
        raise source.refuse(f"a mapping is wanted, got {given!r}", *place)
    if unknown := [key for key in given if key not in _CHECK]:
        raise source.refuse(f"unknown key {unknown[0]!r}; known are {', '.join(_CHECK)}", *place)
    measure = given.get("measure")
    wanted = ("output", "measure", "value", "tolerance", "source", *(("at",) if measure == "at" else ()))
    if missing := [key for key in wanted if given.get(key) is None]:
        raise source.refuse(f"{', '.join(missing)} missing", *place)
    for key, known in (("measure", MEASURES), ("output", model.output_names)):
        if given[key] not in known:
            raise source.refuse(f"{key} {given[key]!r} is none of {', '.join(known)}", *place)
    if "dosing" not in given and example is None:
        raise source.refuse("dosing missing; without an example each check wants its own", *place)
    numbers = {key: source.number(given[key], *place, key) for key in _CHECK if key in _NUMBERS and key in given}
    if not numbers["tolerance"] > 0:
        raise source.refuse(f"a tolerance above 0 is wanted, got {numbers['tolerance']:g}", *place)
    window = _window(source, numbers, given["measure"], example, place)
    return Check(
        given["output"], given["measure"], numbers["value"], numbers["tolerance"], str(given["source"]),
        dosing=_dosing(source, given, place) if "dosing" in given or example is None else example.dosing,
        parameters=_parameters(source, model, given, place)
        if "parameters" in given or example is None else example.parameters,
        **window,
    )  # fmt: skip


_NUMBERS = frozenset({"at", "from", "until", "value", "tolerance"})


def _window(
    source: Source, numbers: Mapping[str, float], measure: str, example: Example | None, place: Keys
) -> dict[str, float]:
    """When the check looks: a time, or the window between two."""
    if measure == "at":
        if numbers["at"] < 0 or {"from", "until"} & numbers.keys():
            raise source.refuse("measure at wants a time at of 0 or more, and neither from nor until", *place)
        return {"at": numbers["at"]}
    since, until = numbers.get("from", 0.0), numbers.get("until", example.until if example else 0.0)
    if "at" in numbers or not 0 <= since < until:
        raise source.refuse(f"measure {measure} wants 0 <= from < until and no at, got {since:g} and {until:g}", *place)
    return {"since": since, "until": until}


def _dosing(source: Source, given: Mapping[str, Any], place: Keys) -> Regimen:
    try:
        return Regimen.parse(given.get("dosing", ""))
    except DosingError as error:
        raise source.refuse(str(error), *place, "dosing") from None


def _parameters(source: Source, model: Model, given: Mapping[str, Any], place: Keys) -> dict[str, float]:
    found = given.get("parameters") or {}
    if not isinstance(found, Mapping):
        raise source.refuse(f"a mapping of names is wanted, got {found!r}", *place, "parameters")
    if unknown := [name for name in found if name not in model.parameter_names]:
        message = f"{unknown[0]!r} is no parameter; there are {', '.join(model.parameter_names)}"
        raise source.refuse(message, *place, "parameters")
    return {name: source.number(value, *place, "parameters", name) for name, value in found.items()}
