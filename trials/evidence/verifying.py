"""Verification that is computed when a package is made: exact solutions, tolerances, repetition, installed versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trials.evidence.study import Example, Study

TIGHTER = 100.0
"""Tolerances are divided by it to see what they do."""
DIMENSIONLESS = ("", "1", "dimensionless")
LIBRARY = ("one_compartment_oral", "two_compartment_iv", "transit_absorption", "indirect_response_1")
"""Models of the library whose exact solutions are compared in every package."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A simulated number beside one found without this program.

    Attributes
    ----------
    model, what, source
        Of which model, what was measured, and who found the other number or how.
    wanted, found, tolerance
        The other number, ours, and the relative difference that is allowed (absolute where the number is 0).
    """

    model: str
    what: str
    source: str
    wanted: float
    found: float
    tolerance: float

    @property
    def difference(self) -> float:
        """Relative difference; absolute where the number is 0."""
        return abs(self.found - self.wanted) / (abs(self.wanted) or 1.0)

    @property
    def passed(self) -> bool:
        """Whether they agree."""
        return self.difference <= self.tolerance


@dataclass(frozen=True, slots=True)
class Refined:
    """What tolerances a hundred times smaller change in the true values of a measurement, relative to its largest."""

    measurement: str
    difference: float


@dataclass(frozen=True, slots=True)
class Repeated:
    """An outcome of a stored replicate beside the one it has when it is simulated again."""

    scenario: str
    replicate: int
    analysis: str
    stored: float
    again: float

    @property
    def same(self) -> bool:
        """Whether they are the same to the last bit."""
        return self.stored == self.again or (np.isnan(self.stored) and np.isnan(self.again))


def exact_solutions(study: Study) -> tuple[Compared, ...]:
    """The trial's model against every number that its file brings along."""
    from engine.models.loading import load_evidence

    model = study.trial.protocol.model
    checks = load_evidence(study.trial.config["model"]).checks
    return tuple(_compared(model, check, study.trial.protocol.solver) for check in checks)


@lru_cache(maxsize=1)
def library_solutions() -> tuple[Compared, ...]:
    """Models of the library against their exact solutions, by the solver the program chooses."""
    from engine.models.loading import load_evidence, load_model

    return tuple(_compared(load_model(name), check, "auto") for name in LIBRARY for check in load_evidence(name).checks)


def _compared(model: Any, check: Any, solver: Any) -> Compared:
    from engine.checking import measured

    return Compared(
        model.name, _measure(model, check), check.source, check.value, measured(model, check, solver), check.tolerance
    )


def _measure(model: Any, check: Any) -> str:
    """What was measured, with its unit: ``concentration at 24 h (mg/L)``."""
    unit = next(output.unit for output in model.outputs if output.name == check.output)
    name, kind = check.output.replace("_", " "), check.measure
    if kind == "at":
        return f"{name} at {check.at:g} {model.time}{_unit(unit)}"
    if kind == "auc":
        return f"AUC of {name}{_unit(f'{unit}·{model.time}' if unit not in DIMENSIONLESS else model.time)}"
    words = {
        "max": "largest",
        "min": "smallest",
        "time_of_max": "time of the largest",
        "time_of_min": "time of the smallest",
    }
    return f"{words[kind]} {name}{_unit(model.time if kind.startswith('time') else unit)}"


def _unit(unit: str) -> str:
    return "" if unit in DIMENSIONLESS else f" ({unit})"


@lru_cache(maxsize=4)
def refined(study: Study) -> tuple[Refined, ...]:
    """The first example trial with tolerances a hundred times smaller; empty where its solver has none."""
    from trials.block import simulate

    example = study.examples[0]
    solver = example.protocol.solver.choose(example.protocol.model)[0]
    tight = _tightened(solver)
    if tight == solver:
        return ()
    work = replace(example.work, protocol=replace(example.protocol, solver=tight))
    before, after = example.course.true, simulate(work).true
    return tuple(Refined(name, _change(before[name], after[name])) for name in before)


def _tightened(solver: Any) -> Any:
    """The solver with every tolerance divided, also of those it hands over to."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(solver):
        value = getattr(solver, field.name)
        if field.name == "tolerance":
            changed[field.name] = value / TIGHTER
        elif dataclasses.is_dataclass(value):
            changed[field.name] = _tightened(value)
    return replace(solver, **changed)


def _change(before: np.ndarray, after: np.ndarray) -> float:
    known = np.isfinite(before) & np.isfinite(after)
    largest = float(np.abs(before[known]).max(initial=0.0))
    return float(np.abs(before - after)[known].max(initial=0.0)) / (largest or 1.0)


@lru_cache(maxsize=4)
def repeated(study: Study) -> tuple[Repeated, ...]:
    """Estimates of the example trials, stored and simulated again."""
    return tuple(row for example in study.examples for row in _again(study, example))


def _again(study: Study, example: Example) -> Iterator[Repeated]:
    from trials.block import simulate_block

    stored = study.outcomes["estimate"].sel(scenario=example.scenario.name, replicate=example.replicate)
    made = simulate_block(example.work)["outcome.estimate"][0]
    for number, analysis in enumerate(example.protocol.analyses):
        before = float(stored.sel(analysis=analysis.name))
        yield Repeated(example.scenario.name, example.replicate, analysis.name, before, float(made[number]))


def installed(study: Study) -> tuple[tuple[str, str, str], ...]:
    """Libraries with their versions when the run was made, and where this is computed."""
    from trials.manifest import versions

    there = versions()
    return tuple((name, str(at_run), there.get(name, "absent")) for name, at_run in study.manifest["versions"].items())
