"""Smooth equations by Taylor series, over whole blocks of subjects.

The series are those of :mod:`engine.solvers.taylor`, with one compiled step for the block: faster, where the states
that are linear among themselves are carried in closed form and steps follow the rest.
"""

import math
from dataclasses import dataclass

from engine.solvers.blockwise import Blockwise
from engine.solvers.stepping.blocks import Method
from engine.solvers.stepping.dop853 import DOP853
from engine.solvers.stepping.march import Limits
from engine.solvers.stepping.taylor_series import TAYLOR_13


@dataclass(frozen=True, slots=True)
class BlockTaylor(Blockwise):
    """Taylor's method of order 13.

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
        return "block_taylor"

    def method(self, stiff: float = math.inf) -> Method:
        """What is compiled; subjects with so many steps limited by stability before them are left to another."""
        limits = Limits(self.max_steps, stiff)
        return Method(TAYLOR_13, self.tolerance, self.floor, limits, self.exact_linear, DOP853)
