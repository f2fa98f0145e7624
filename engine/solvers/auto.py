"""Choosing a solver from the model's own equations, and for each subject from how its solution goes."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.specification import Model
from engine.models.structure import linear, switches
from engine.solvers import cycles, stiffness
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.block_taylor import BlockTaylor
from engine.solvers.rosenbrock import Rosenbrock
from engine.solvers.stepping import blocks
from engine.solvers.stepping.modes import shape


@dataclass(frozen=True, slots=True)
class EachSubject(Solver):
    """Taylor series for every subject; those they do not serve go to another method, each for itself.

    Parameters
    ----------
    series
        Tried first, but on subjects that are seen to be stiff from where they start.
    stiff
        For subjects whose steps are limited by stability.
    probe
        So many steps limited by stability, before the next dose, make a subject stiff.
    """

    series: BlockTaylor
    stiff: Rosenbrock
    probe: int

    @property
    def name(self) -> str:
        """Name shown in results: that of the method tried first."""
        return self.series.name

    @property
    def second(self) -> str:
        """Name of the method for stiff subjects."""
        return self.stiff.name

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, for every model."""
        kind = f"switch where {found[0]} changes, which is located" if (found := switches(model)) else "smooth"
        return self, f"the equations of {model.name} are not linear, and {kind}"

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, by the method that suits each subject."""
        cycles.check(problem.model, problem.timeline, self.name)
        left = self._foreseen(problem)
        if left.all():
            return blocks.solve(problem, self.stiff.method())[0]._replace(left=left)
        calm = np.flatnonzero(~left)
        found, left[calm] = blocks.solve(problem.take(calm), self.series.method(self.probe))
        if not left.any():
            return found._replace(left=left)
        part, _ = blocks.solve(problem.take(np.flatnonzero(left)), self.stiff.method())
        if left.all():
            return part._replace(left=left)
        return _together(left, calm, found, part)

    def _foreseen(self, problem: Problem) -> NDArray[np.bool_]:
        """Who is stiff from the start, (subject)."""
        model, nodes = problem.model, problem.timeline.time.shape[1]
        if not nodes or switches(model):
            return np.zeros(problem.subjects, dtype=bool)
        return stiffness.steps(problem, _numeric(model, exact=self.series.exact_linear)) > self.probe


@lru_cache(maxsize=64)
def _numeric(model: Model, *, exact: bool) -> tuple[int, ...]:
    """States that are carried by steps, where a linear part is carried exactly or not."""
    form = shape(model) if exact else None
    return tuple(n for n in range(len(model.states)) if form is None or n not in form.states)


def _together(left: NDArray[np.bool_], calm: NDArray[np.int64], found: Trajectory, part: Trajectory) -> Trajectory:
    """Trajectory of all, from that of those who were tried by series and that of those who were left by them."""

    def both(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        whole = np.empty((len(left), *first.shape[1:]), dtype=first.dtype)
        whole[calm], whole[left] = first, second
        return whole

    return Trajectory(
        both(found.samples, part.samples), both(found.state, part.state), both(found.status, part.status),
        both(found.largest, part.largest), left,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Auto(Solver):
    """Choice between two: for linear equations, and for others."""

    linear: Solver
    nonlinear: Solver

    @property
    def name(self) -> str:
        """Name shown in configurations; results show the solver that was chosen."""
        return "auto"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Solver for this model, and why."""
        if linear(model) is not None:
            return self.linear.choose(model)
        return self.nonlinear.choose(model)

    def solve(self, problem: Problem) -> Trajectory:
        """States by the solver that takes this model."""
        return self.choose(problem.model)[0].solve(problem)
