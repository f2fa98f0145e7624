"""Smooth equations by Taylor series, over whole blocks of subjects.

The series are those of :mod:`engine.solvers.taylor`, with one compiled step for the block: faster, where the states
that are linear among themselves are carried in closed form and steps follow the rest.
"""

import math
from dataclasses import dataclass

from engine.models.specification import Model
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.stepping import blocks
from engine.solvers.stepping.blocks import Method, check_tolerances
from engine.solvers.stepping.dop853 import DOP853
from engine.solvers.stepping.march import Limits
from engine.solvers.stepping.taylor_series import TAYLOR_13


@dataclass(frozen=True, slots=True)
class BlockTaylor(Solver):
    """Taylor's method of order 13, each subject at its own time with its own steps.

    Parameters
    ----------
    tolerance
        Error of a step, relative to each state.
    floor
        Part of a state's size below which its error counts as absolute.
    max_steps
        Steps between two stops, after which a subject is given up.
    exact_linear
        Whether the states that are linear among themselves are carried in closed form.
    """

    tolerance: float
    floor: float
    max_steps: int
    exact_linear: bool

    def __post_init__(self) -> None:
        """Refuse tolerances that mean nothing."""
        check_tolerances(self.name, self.tolerance, self.floor, self.max_steps)

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "block_taylor"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, for every model."""
        return self, f"{model.name} was asked to be solved so"

    def method(self, stiff: float) -> Method:
        """What is compiled; subjects with so many steps limited by stability before them are left to another."""
        limits = Limits(self.max_steps, stiff)
        return Method(TAYLOR_13, self.tolerance, self.floor, limits, self.exact_linear, DOP853)

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, within the tolerance."""
        cycles.check(problem.model, problem.timeline, self.name)
        return blocks.solve(problem, self.method(math.inf))[0]
