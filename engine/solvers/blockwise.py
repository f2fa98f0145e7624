"""What methods that step a whole block of subjects at once have in common."""

import math
from abc import abstractmethod
from dataclasses import dataclass

from engine.models.specification import Model
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.stepping import blocks
from engine.solvers.stepping.blocks import Method, check_tolerances


@dataclass(frozen=True, slots=True)
class Blockwise(Solver):
    """A method with steps, each subject at its own time with its own steps.

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

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, for every model."""
        return self, f"{model.name} was asked to be solved so"

    @abstractmethod
    def method(self, stiff: float = math.inf) -> Method:
        """What is compiled; a method may leave subjects with so many steps limited by stability to another."""

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, within the tolerance."""
        cycles.check(problem.model, problem.timeline, self.name)
        return blocks.solve(problem, self.method())[0]
