"""Stiff equations, by a Rosenbrock method over whole blocks of subjects."""

import math
from dataclasses import dataclass

from engine.models.specification import Model
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.stepping import blocks
from engine.solvers.stepping.blocks import Method, check_tolerances
from engine.solvers.stepping.march import Limits
from engine.solvers.stepping.rodas5p import RODAS5P


@dataclass(frozen=True, slots=True)
class Rosenbrock(Solver):
    """Rodas5P with dense output, each subject at its own time with its own steps.

    Parameters
    ----------
    tolerance
        Error of a step, relative to each state.
    floor
        Part of a state's size below which its error counts as absolute.
    max_steps
        Steps between two stops, after which a subject is given up.
    """

    tolerance: float
    floor: float
    max_steps: int

    def __post_init__(self) -> None:
        """Refuse tolerances that mean nothing."""
        check_tolerances(self.name, self.tolerance, self.floor, self.max_steps)

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "rosenbrock"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, for every model."""
        return self, f"{model.name} was asked to be solved so"

    @property
    def method(self) -> Method:
        """What is compiled."""
        return Method(RODAS5P, self.tolerance, self.floor, Limits(self.max_steps, math.inf), False, None)

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, within the tolerance."""
        cycles.check(problem.model, problem.timeline, self.name)
        return blocks.solve(problem, self.method)[0]
