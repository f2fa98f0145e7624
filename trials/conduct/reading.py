"""Adherence, intercurrent events and estimands from plain mappings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trials.conduct.adherence import Adherence
from trials.conduct.estimand import Estimand
from trials.conduct.event import IntercurrentEvent
from trials.errors import TrialError
from trials.making import Config, known, make, section

type ReadRegimen = Callable[[str, Any], Any]

EVENT = ("cause", "arms", "stops", "leaves", "rescue", "modify", "switch")
ESTIMAND = ("treatment", "population", "variable", "events", "summary", "failure")


def read_adherence(config: Config, arm: str, spec: Config) -> Adherence | None:
    """Adherence of an arm: its own, or that of the trial; ``null`` in an arm is complete adherence."""
    where, found = f"arms.{arm}.adherence", spec.get("adherence")
    if "adherence" not in spec:
        where, found = "adherence", config.get("adherence")
    if found is None:
        return None
    made = make(where, found)
    if not isinstance(made, Adherence):
        raise TrialError(f"{where}._target_: wants an adherence, got {found['_target_']!r}")
    return made


def read_endpoints(config: Config) -> tuple[Any, ...]:
    """Endpoints of the section of that name; one that is made `of` others names them."""
    specs = section(config, "endpoints")
    return tuple(make(f"endpoints.{name}", _spelt_out(name, spec, specs), name=name) for name, spec in specs.items())


def _spelt_out(name: str, spec: Config, specs: Config) -> Config:
    """An endpoint with the descriptions of others in place of their names."""
    if not all(isinstance(one, str) for one in spec.get("of") or [None]):
        return spec
    for one in spec["of"]:
        if one not in specs or one == name:
            others = [other for other in specs if other != name]
            raise TrialError(f"endpoints.{name}.of: got {one!r}, wants other endpoints; there are {', '.join(others)}")
    return {**spec, "of": [{**_spelt_out(one, specs[one], specs), "name": one} for one in spec["of"]]}


def read_events(config: Config, regimen: ReadRegimen) -> tuple[IntercurrentEvent, ...]:
    """Intercurrent events of the section of that name."""
    return tuple(_event(name, spec, regimen) for name, spec in (config.get("intercurrent") or {}).items())


def _event(name: str, spec: Config, regimen: ReadRegimen) -> IntercurrentEvent:
    where = f"intercurrent.{name}"
    known(where, spec, EVENT)
    if not isinstance(spec.get("cause"), dict):
        raise TrialError(f"{where}.cause: wants a mapping with `_target_`, got {spec.get('cause')!r}")
    rescue = spec.get("rescue")
    return IntercurrentEvent(
        name,
        make(f"{where}.cause", spec["cause"]),
        arms=tuple(spec.get("arms") or ()),
        stops=spec.get("stops", False),
        leaves=spec.get("leaves", False),
        rescue=None if rescue is None else regimen(where, rescue),
        modify=spec.get("modify") or (),
        switch=spec.get("switch"),
    )


def read_estimands(config: Config) -> tuple[Estimand, ...]:
    """Estimands of the section ``estimand``, by name."""
    return tuple(_estimand(name, spec) for name, spec in (config.get("estimand") or {}).items())


def _estimand(name: str, spec: Config) -> Estimand:
    where = f"estimand.{name}"
    known(where, spec, ESTIMAND)
    for field in ("treatment", "variable", "summary"):
        if spec.get(field) is None:
            raise TrialError(f"{where}.{field}: missing")
    return Estimand(
        name,
        treatment=spec["treatment"],
        variable=spec["variable"],
        summary=spec["summary"],
        population=spec.get("population") or (),
        events=spec.get("events") or (),
        failure=spec.get("failure"),
    )
