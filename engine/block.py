"""One block of subjects, from parameters and doses to outputs: the unit of work that travels to a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import stretches
from engine.dosing import nodes
from engine.dosing.arrivals import Administration, by_dose, lengths
from engine.dosing.covariates import Covariates
from engine.dosing.nodes import Samples
from engine.dosing.schedule import SAMPLE, STEPS, Integers, Schedule, Speed
from engine.dosing.timeline import Timeline
from engine.errors import DosingError
from engine.evaluation import administration, initial_states
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import Apply, walk
from engine.models.operations import COMPARISONS
from engine.models.specification import Model
from engine.solvers.base import Problem, Solver, Trajectory
from engine.status import Status

type Floats = NDArray[np.float64]

SIZE = 2048
"""Subjects in a block, at most. Results do not depend on it; memory does."""
_LEAST, _NUMBERS, _NODE = 128, 1 << 20, 12
"""Subjects in a block at least; numbers it holds at most; numbers a node of a subject's own takes."""
_INTERVALS = 1000
"""Intervals of a steady state that a lag or an infusion may take."""
_EXACT = (
    frozenset({"add", "sub", "mul", "div", "neg", "min", "max", "abs", "sqrt", "where", "and", "or", "not"})
    | COMPARISONS
)
"""Operations that IEEE 754 rounds in one way only, wherever their numbers lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Subjects to simulate: their parameters, (subject); a schedule and samples of one row, or one row a subject.

    ``covariates`` are the parameters that change with time, one row a subject.
    """

    model: Model
    solver: Solver
    parameters: Mapping[str, Floats]
    schedule: Schedule
    samples: Samples
    covariates: Covariates | None = None

    @property
    def subjects(self) -> int:
        """How many subjects."""
        if self.covariates is not None:
            return len(self.covariates.count)
        return len(next(iter(self.parameters.values()))) if self.parameters else self.schedule.rows

    def at(self, stretch: Integers) -> dict[str, Floats]:
        """Parameters in stretches, (subject, place); of those that do not change (subject, 1)."""
        constant = {name: values[:, None] for name, values in self.parameters.items()}
        return constant if self.covariates is None else constant | self.covariates.at(stretch)

    def take(self, subjects: NDArray[np.int64]) -> "Block":
        """Give these subjects."""
        parameters = {name: values[subjects] for name, values in self.parameters.items()}
        schedule = self.schedule.take(subjects) if self.schedule.rows > 1 else self.schedule
        samples = Samples._make(values[subjects] if len(values) > 1 else values for values in self.samples)
        covariates = None if self.covariates is None else self.covariates.take(subjects)
        return Block(self.model, self.solver, parameters, schedule, samples, covariates)


def size(model: Model, samples: int, *, own: bool) -> int:
    """Subjects of a block, so that what it holds stays near the processor.

    ``own``: whether subjects have nodes of their own, because of their schedules, their times or the model's lags.
    """
    seen = _observed(model)
    apart = own or any(state.lag is not None or state.duration is not None for state in model.states)
    numbers = samples * (len(seen.states) + len(model.outputs) + apart * _NODE)
    return min(SIZE, max(_LEAST, _NUMBERS // max(numbers, 1)))


class Outputs(NamedTuple):
    """Value of each output, (subject, sample); the Status of each subject; whom the solver left to its second."""

    values: dict[str, Floats]
    status: NDArray[np.int8]
    left: NDArray[np.bool_] | None = None


def simulate(block: Block) -> Outputs:
    """Outputs of every subject where samples are due; NaN for a subject that failed."""
    status, administration = prepare(block)
    good = np.flatnonzero(status == Status.ok)
    if good.size == block.subjects:
        return _simulate(block, administration)
    shape = (block.subjects, block.samples.time.shape[1])
    values = {name: np.full(shape, np.nan) for name in block.model.output_names}
    if good.size:
        found = _simulate(block.take(good), Administration(*(a[good] for a in administration)))
        status[good] = found.status
        for name, value in found.values.items():
            values[name][good] = value
        left = np.zeros(block.subjects, dtype=bool)
        left[good] = False if found.left is None else found.left
        return Outputs(values, status, left)
    return Outputs(values, status)


def _simulate(block: Block, administration: Administration) -> Outputs:
    """Outputs of subjects whose parameters and doses are sound."""
    given = Administration(*(_alike(values) for values in administration))
    steps = nodes.build(block.schedule, given, block.samples, block.covariates)
    solved = _solve(block, steps)
    found = observe(block, solved.samples, block.samples.time)
    defined = _defined(found, block.samples)
    status = np.where((solved.status == Status.ok) & ~defined, Status.diverged, solved.status).astype(np.int8)
    if status.any():
        found = {name: np.where((status == Status.ok)[:, None], value, np.nan) for name, value in found.items()}
    return Outputs(found, status, solved.left)


def _alike(values: Floats) -> Floats:
    """Give one row when all rows are the same: doses then enter every subject at the same nodes."""
    first = values[:1]
    return first if np.all((values == first) | (np.isnan(values) & np.isnan(first))) else values


def prepare(block: Block) -> tuple[NDArray[np.int8], Administration]:
    """Status of each subject from its parameters alone, and how doses enter its states."""
    count = block.subjects
    finite = np.ones(count, dtype=bool)
    for values in block.parameters.values():
        finite &= np.isfinite(values)
    for values in () if block.covariates is None else block.covariates.values.values():
        finite &= np.all(np.isfinite(values), axis=1)
    if block.covariates is None:
        given = administration(block.model, block.parameters, count)
    else:
        given = stretches.administrations(block.model, block.parameters, block.covariates)
    _check_modelled(block)
    sound = _sound(block.schedule, given, block.covariates)
    status = np.where(finite, np.where(sound, Status.ok, Status.bad_dosing), Status.bad_parameter)
    return status.astype(np.int8), given


def _sound(schedule: Schedule, given: Administration, covariates: Covariates | None) -> NDArray[np.bool_]:
    """Whether every dose of a subject has a lag, bioavailability, duration and rate that can be, (subject)."""
    steady = bool(np.any(schedule.steady))
    doses = schedule if schedule.rows > 1 or covariates or steady else schedule.kinds()
    own, exists = by_dose(doses, given, covariates), doses.exists & doses.doses
    sound = np.isfinite(own.lag) & (own.lag >= 0) & np.isfinite(own.bioavailability) & (own.bioavailability >= 0)
    for values, speed in ((own.duration, Speed.modelled_duration), (own.rate, Speed.modelled_rate)):
        sound &= (doses.speed != speed) | (np.isfinite(values) & (values > 0))
    if steady:
        with np.errstate(all="ignore"):
            whole = own.lag + np.nan_to_num(lengths(doses, own), nan=0.0) < _INTERVALS * doses.interval
        sound &= whole | (doses.steady == 0) | (doses.interval == 0)
    return np.all(sound | ~exists, axis=1)


def _solve(block: Block, steps: Timeline) -> Trajectory:
    if block.covariates is None:
        return block.solver.solve(problem(block, steps, observed_states(block.model)))
    return stretches.solve(block.solver, block.model, block.parameters, block.covariates, steps)


def problem(block: Block, steps: Timeline, observed: tuple[int, ...] | None = None) -> Problem:
    """What the solver is given, with the parameters of the first stretch; every subject begins at its initial state."""
    parameters = block.parameters
    if block.covariates is not None:
        parameters = stretches.during(parameters, block.covariates, 0)
    initial = initial_states(block.model, parameters, block.subjects)
    return Problem(block.model, parameters, initial, initial.copy(), steps, np.zeros(len(initial)), observed)


def observed_states(model: Model) -> tuple[int, ...]:
    """Positions of the states that outputs are computed from."""
    return _observed(model).states


def observe(block: Block, states: Floats, time: Floats) -> dict[str, Floats]:
    """Outputs at states (subject, sample, all or observed state) and times (row, sample)."""
    shape, (names, positions, spread) = states.shape[:2], _observed(block.model)
    held = positions if states.shape[2] < len(block.model.states) else range(len(block.model.states))
    known = {name: values[:, None] for name, values in block.parameters.items() if name in names}
    if block.covariates is not None:
        place = block.samples.position * STEPS + SAMPLE
        known |= block.covariates.at(block.covariates.stretch(block.samples.time, place))
    known |= {block.model.state_names[state]: states[:, :, n] for n, state in enumerate(held)}
    known |= {"t": time} if "t" in names else {}
    if spread:
        known = {name: _spread(values, shape) for name, values in known.items()}
    found = equations.outputs(block.model, ARRAYS, known.pop("t", 0.0), known, {})
    return {name: _wide(np.asarray(value, dtype=np.float64), shape) for name, value in found.items()}


def _spread(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Copy that lies side by side in memory."""
    found = np.empty(shape)
    found[:] = values
    return found


def _wide(values: Floats, shape: tuple[int, ...]) -> Floats:
    return values if values.shape == shape else np.broadcast_to(values, shape)


class _Observed(NamedTuple):
    """What outputs are computed from.

    ``names`` of parameters, states and ``t``; positions of those that are ``states``; ``spread`` where values must lie
    side by side in memory to give the same bits: numpy computes powers, exponentials and the like by other means for
    values that lie apart or repeat.
    """

    names: frozenset[str]
    states: tuple[int, ...]
    spread: bool


@lru_cache(maxsize=64)
def _observed(model: Model) -> _Observed:
    """What the outputs of a model are computed from."""
    outputs = [output.value for output in model.outputs]
    used = [*outputs, *(expression for _, expression in equations.let_used(model, outputs))]
    operations = {node.operation for expression in used for node in walk(expression) if isinstance(node, Apply)}
    names = frozenset().union(*(expression.names for expression in used))
    states = tuple(n for n, name in enumerate(model.state_names) if name in names)
    return _Observed(names, states, not operations <= _EXACT)


def _check_modelled(block: Block) -> None:
    """Refuse a dose whose duration or rate the model should give and does not."""
    schedule, states = block.schedule, block.model.states
    for speed, field in ((Speed.modelled_duration, "duration"), (Speed.modelled_rate, "rate")):
        for state in np.unique(schedule.into[schedule.exists & (schedule.speed == speed)]):
            if getattr(states[state], field) is None:
                code = "-2" if field == "duration" else "-1"
                raise DosingError(
                    f"a dose into {states[state].name} leaves its {field} to the model (RATE {code}), but model "
                    f"{block.model.name} gives that state no {field}"
                )


def _defined(values: Mapping[str, Floats], samples: Samples) -> NDArray[np.bool_]:
    """Whether every output of a subject is a finite number where a sample is due, (subject)."""
    with np.errstate(all="ignore"):
        if all(np.isfinite(np.sum(value)) for value in values.values()):
            return np.ones(len(next(iter(values.values()))), dtype=bool)
    wanted = ~np.isnan(samples.time)
    return np.all([np.all(np.isfinite(value) | ~wanted, axis=1) for value in values.values()], axis=0)
