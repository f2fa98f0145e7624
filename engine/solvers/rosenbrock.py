"""Stiff equations, by a Rosenbrock method over whole blocks of subjects."""

import math
from dataclasses import dataclass

from engine.solvers.blockwise import Blockwise
from engine.solvers.stepping.blocks import Method
from engine.solvers.stepping.march import Limits
from engine.solvers.stepping.rodas5p import RODAS5P


@dataclass(frozen=True, slots=True)
class Rosenbrock(Blockwise):
    """Rodas5P with dense output; its fields are those of every blockwise method."""

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "rosenbrock"

    def method(self, stiff: float = math.inf) -> Method:
        """What is compiled; its steps are limited by accuracy alone, never by stability."""
        return Method(RODAS5P, self.tolerance, self.floor, Limits(self.max_steps, stiff), False, None)
