"""Smooth equations by Taylor series of high order, several subjects in one processor register.

The series are made by automatic differentiation of the model's own equations and compiled (heyoka: Biscani and Izzo,
MNRAS 2021;504:2614, doi:10.1093/mnras/stab1032). Doses, samples and resets are where the integrator stops; in between
it takes steps of its own choosing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import SolverError
from engine.models.specification import Model
from engine.models.structure import switches
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.lanes import Machine, machine
from engine.solvers.pack import course
from engine.solvers.scales import follow, power_of_two
from engine.status import Status

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Taylor(Solver):
    """Taylor's method with steps and order chosen by the tolerance.

    Parameters
    ----------
    tolerance
        Relative error of a step, for each state in units of its own size.
    max_steps
        Steps between two nodes, after which a subject is given up.
    """

    tolerance: float
    max_steps: int

    def __post_init__(self) -> None:
        """Refuse tolerances that mean nothing."""
        if not 1e-16 < self.tolerance < 1e-2:
            raise SolverError(f"taylor: tolerance is {self.tolerance!r}; a number between 1e-16 and 1e-2 is wanted")
        if self.max_steps < 1:
            raise SolverError(f"taylor: max_steps is {self.max_steps!r}; 1 or more is wanted")

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "taylor"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, when the equations are smooth."""
        if found := switches(model):
            raise SolverError(
                f"taylor: the equations of model {model.name} switch where {found[0]} changes, which a Taylor series "
                "does not see; use solver 'auto' or 'reference'"
            )
        return self, f"the equations of {model.name} are smooth"

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, within the tolerance."""
        cycles.check(problem.model, problem.timeline, "taylor")
        found = Trajectory(
            np.full((problem.subjects, problem.timeline.samples, problem.state.shape[1]), np.nan),
            np.full_like(problem.state, np.nan), np.zeros(problem.subjects, dtype=np.int8), np.zeros(problem.subjects),
        )  # fmt: skip
        with np.errstate(all="ignore"):
            for group in _groups(problem):
                compiled = machine(problem.model, group.infused, self.tolerance, self.max_steps)
                _fill(found, compiled, problem.take(group.subjects), group)
        failed = found.status != Status.ok
        found.samples[failed], found.state[failed] = np.nan, np.nan
        return found


class _Alike(NamedTuple):
    """Subjects that are dosed, and infused, into the same states."""

    dosed: tuple[int, ...]
    infused: tuple[int, ...]
    subjects: NDArray[np.int64]


def _groups(problem: Problem) -> list[_Alike]:
    """Subjects by what is compiled for them and how their states are counted: others must not change it."""
    count, states = problem.state.shape
    flows = cycles.flows(problem.timeline, count, states)
    dosed = np.zeros_like(flows)
    dosed[:, list(problem.timeline.into)] = problem.timeline.dosed
    both = np.concatenate([dosed, flows], axis=1)
    alike = bool(np.all(both == both[0]))  # the usual case; finding groups costs more
    patterns, number = (
        (both[:1], np.zeros(count, dtype=np.int64)) if alike else np.unique(both, axis=0, return_inverse=True)
    )
    groups = []
    for group, pattern in enumerate(patterns):
        first, second = (tuple(int(n) for n in np.flatnonzero(part)) for part in (pattern[:states], pattern[states:]))
        groups.append(_Alike(first, second, np.flatnonzero(number.reshape(-1) == group)))
    return groups


def _fill(found: Trajectory, compiled: Machine, problem: Problem, group: _Alike) -> None:
    """Solve a group pack by pack, and put the results in their places."""
    largest = _largest_doses(problem)
    laid = course(problem, follow(problem, largest, group.dosed), compiled.lanes)
    packs = [laid.take(compiled, number) for number in range(-(-problem.subjects // compiled.lanes))]
    samples, state, status = (
        np.concatenate(parts, axis=-1)[..., : problem.subjects] for parts in zip(*packs, strict=True)
    )
    found.samples[group.subjects] = np.moveaxis(samples, -1, 0)
    found.state[group.subjects], found.status[group.subjects] = state.T, status
    found.largest[group.subjects] = largest[:, -1] if largest.shape[1] else problem.largest


def _largest_doses(problem: Problem) -> Floats:
    """Largest dose so far at each node, rounded up to a power of 2, (subject, node)."""
    timeline = problem.timeline
    length = np.diff(timeline.time, axis=1, append=timeline.time[:, -1:])
    given = np.max(timeline.jump, axis=2, initial=0.0) + np.max(timeline.rate * length[:, :, None], axis=2, initial=0.0)
    given = np.broadcast_to(given, (problem.subjects, given.shape[1])).copy()
    for one in timeline.steady:
        amount = one.amount + np.where(one.duration > 0, one.rate * np.minimum(one.duration, one.interval), 0.0)
        rows = np.arange(problem.subjects)
        node = np.broadcast_to(np.where(one.exists, one.node, 0), rows.shape)
        given[rows, node] = np.maximum(given[rows, node], np.where(one.exists, amount, 0.0))
    return np.maximum(problem.largest[:, None], power_of_two(np.maximum.accumulate(given, axis=1)))
