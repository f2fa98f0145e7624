"""Choosing a solver from the model's own equations, and for each subject from how its solution goes."""

from dataclasses import dataclass
from importlib.util import find_spec

from engine.models.specification import Model
from engine.models.structure import linear, switches
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.block_taylor import BlockTaylor
from engine.solvers.rosenbrock import Rosenbrock
from engine.solvers.stepping import blocks


@dataclass(frozen=True, slots=True)
class EachSubject(Solver):
    """Taylor series for every subject; those they do not serve go to another method, each for itself.

    Parameters
    ----------
    series
        Tried first.
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
        found, left = blocks.solve(problem, self.series.method(self.probe))
        stiff = left.nonzero()[0]
        if stiff.size:
            part, _ = blocks.solve(problem.take(stiff), self.stiff.method)
            if len(stiff) == problem.subjects:
                return part._replace(left=len(stiff))
            found.samples[stiff], found.state[stiff] = part.samples, part.state
            found.status[stiff], found.largest[stiff] = part.status, part.largest
            found = found._replace(left=len(stiff))
        return found


@dataclass(frozen=True, slots=True)
class Auto(Solver):
    """Choice among three: for linear equations, for others, and for machines without the compiler of steps."""

    linear: Solver
    nonlinear: Solver
    portable: Solver

    @property
    def name(self) -> str:
        """Name shown in configurations; results show the solver that was chosen."""
        return "auto"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Solver for this model, and why."""
        if linear(model) is not None:
            return self.linear.choose(model)
        if find_spec("heyoka") is None:
            return self.portable, f"the equations of {model.name} are not linear, and heyoka is not installed here"
        return self.nonlinear.choose(model)

    def solve(self, problem: Problem) -> Trajectory:
        """States by the solver that takes this model."""
        return self.choose(problem.model)[0].solve(problem)
