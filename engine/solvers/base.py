"""What a solver is: it takes a block of subjects through their timeline and gives the states where samples are due."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import Timeline
from engine.models.specification import Model

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A block of subjects to solve.

    Parameters
    ----------
    model
        The equations.
    parameters
        Value of each parameter, (subject); all finite.
    initial
        States before any dose and after a reset, (subject, state).
    state
        States at the timeline's start, (subject, state).
    timeline
        What happens when.
    largest
        Largest dose before the timeline's start, (subject); 0 for none.
    observed
        Positions of the states whose samples are wanted; None for all. A solver may give samples of these alone.
    """

    model: Model
    parameters: Mapping[str, Floats]
    initial: Floats
    state: Floats
    timeline: Timeline
    largest: Floats
    observed: tuple[int, ...] | None = None

    @property
    def subjects(self) -> int:
        """How many subjects."""
        return len(self.state)

    def take(self, subjects: NDArray[np.int64]) -> "Problem":
        """Give these subjects."""
        if len(subjects) == self.subjects:
            return self
        parameters = {name: values[subjects] for name, values in self.parameters.items()}
        arrays = self.initial[subjects], self.state[subjects], self.timeline.take(subjects), self.largest[subjects]
        return Problem(self.model, parameters, *arrays, self.observed)


class Trajectory(NamedTuple):
    """States at the samples, (subject, sample, state); states at the end, (subject, state); a Status each, (subject).

    ``samples`` are of all states, or of the problem's ``observed`` ones alone. ``largest`` is the largest dose so far,
    (subject), to go on with. A subject that failed is NaN. ``left`` are the subjects the solver left to its second
    method, (subject); None for nobody.
    """

    samples: Floats
    state: Floats
    status: NDArray[np.int8]
    largest: Floats
    left: NDArray[np.bool_] | None = None


class Solver(ABC):
    """Abstract solver: a frozen dataclass whose fields are its tolerances; nothing compiled is kept in it.

    The result for one subject depends, to the last bit, on that subject alone: not on the others in its block.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name shown in results."""

    @property
    def second(self) -> str:
        """Name of the method for subjects the solver itself does not suit; empty for none."""
        return ""

    @abstractmethod
    def choose(self, model: Model) -> tuple["Solver", str]:
        """Solver that takes this model (itself, usually), and why in one sentence; SolverError when none does."""

    @abstractmethod
    def solve(self, problem: Problem) -> Trajectory:
        """States of every subject where samples are due; SolverError when the model is not one it takes."""
