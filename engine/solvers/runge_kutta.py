"""Equations that are not stiff, by an explicit Runge-Kutta method of high order over whole blocks of subjects."""

import math
from dataclasses import dataclass

from engine.solvers.blockwise import Blockwise
from engine.solvers.stepping.blocks import Method
from engine.solvers.stepping.dop853 import DOP853
from engine.solvers.stepping.march import Limits


@dataclass(frozen=True, slots=True)
class RungeKutta(Blockwise):
    """DOP853 with dense output.

    Parameters
    ----------
    tolerance, floor, max_steps
        As of every blockwise method.
    exact_linear
        Whether the states that are linear among themselves are carried in closed form.
    """

    exact_linear: bool

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "runge_kutta"

    def method(self, stiff: float = math.inf) -> Method:
        """What is compiled; subjects with so many steps limited by stability are left to another."""
        limits = Limits(self.max_steps, stiff)
        return Method(DOP853, self.tolerance, self.floor, limits, self.exact_linear, None)
