"""Measuring in a simulation what a model's checks speak of."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import SolverError
from engine.models.evidence import Check
from engine.models.expression import Name, Number
from engine.models.specification import Model, Output, State
from engine.simulation import simulate_arrays
from engine.solvers.base import Solver
from engine.status import Status

_POINTS = 1000
_ROUNDS = 2  # after which the place of an extreme is known to a 1e-8th of the window


def measured(model: Model, check: Check, solver: str | Solver = "auto") -> float:
    """What a simulation of a typical person gives for a check.

    Parameters
    ----------
    model
        The equations.
    check
        What is wanted: the output, the measure, the doses, and how the person differs from the typical one.
    solver
        Name of a file in ``conf/solver``, or a solver.

    Returns
    -------
    float
        In the output's unit; times in the model's unit of time; ``auc`` in the one times the other.

    Raises
    ------
    SolverError
        The simulation failed; with the sentence of its :class:`engine.Status`.
    """
    return _MEASURES[check.measure](model, check, solver)


def _values(model: Model, check: Check, solver: str | Solver, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Output at times, (time)."""
    parameters = model.typical | dict(check.parameters)
    found = simulate_arrays(model, parameters, check.dosing, times, solver=solver)
    if found.status[0] != Status.ok:
        raise SolverError(f"model {model.name}: {check.dosing}: {Status(found.status[0]).message}")
    values: NDArray[np.float64] = found.outputs[check.output][0]
    return values


def _at(model: Model, check: Check, solver: str | Solver) -> float:
    return float(_values(model, check, solver, np.asarray([check.at]))[0])


def _extreme(model: Model, check: Check, solver: str | Solver, sign: float) -> tuple[float, float]:
    """Time and value of the largest ``sign`` times output: on a grid, then on finer ones around its best point."""
    since, until = check.since, check.until
    for _ in range(_ROUNDS + 1):
        times = np.linspace(since, until, _POINTS + 1)
        values = _values(model, check, solver, times)
        best = int(np.argmax(sign * values))
        since, until = times[max(best - 1, 0)], times[min(best + 1, _POINTS)]
    return float(times[best]), float(values[best])


def _auc(model: Model, check: Check, solver: str | Solver) -> float:
    """Integral of the output, as one more state: exact where doses jump."""
    output = next(output for output in model.outputs if output.name == check.output)
    name = "_integral"
    unit = f"({output.unit})*{model.time}"
    whole = replace(
        model,
        states=(*model.states, State(name, unit, initial=Number(0.0))),
        derivatives=(*model.derivatives, (name, output.value)),
        outputs=(*model.outputs, Output(name, Name(name), unit)),
    )
    first, last = _values(whole, replace(check, output=name), solver, np.asarray([check.since, check.until]))
    return float(last - first)


def _greatest(place: int, sign: float) -> Callable[[Model, Check, str | Solver], float]:
    return lambda model, check, solver: _extreme(model, check, solver, sign)[place]


_MEASURES: Mapping[str, Callable[[Model, Check, str | Solver], float]] = {
    "at": _at, "auc": _auc, "max": _greatest(1, 1.0), "min": _greatest(1, -1.0),
    "time_of_max": _greatest(0, 1.0), "time_of_min": _greatest(0, -1.0),
}  # fmt: skip
