"""Choosing a solver from the model's own equations."""

from dataclasses import dataclass

from engine.models.specification import Model
from engine.models.structure import linear, switches
from engine.solvers.base import Problem, Solver, Trajectory


@dataclass(frozen=True, slots=True)
class Auto(Solver):
    """Choice among three: for linear equations, for smooth ones, and for equations that switch."""

    linear: Solver
    smooth: Solver
    switching: Solver

    @property
    def name(self) -> str:
        """Name shown in configurations; results show the solver that was chosen."""
        return "auto"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Solver for this model, and why."""
        if linear(model) is not None:
            return self.linear.choose(model)
        if found := switches(model):
            return self.switching, f"the equations of {model.name} switch where {found[0]} changes"
        return self.smooth, f"the equations of {model.name} are not linear, and smooth"

    def solve(self, problem: Problem) -> Trajectory:
        """States by the solver that takes this model."""
        return self.choose(problem.model)[0].solve(problem)
