"""Critical values of the interim looks as given; the last one has the type I error that they leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trials.boundaries.base import Boundary, check_boundary
from trials.boundaries.futility import Futility, optional_numbers
from trials.boundaries.stages import Side, boundary_values, crossing, given
from trials.checks import Number, fields, refuse

type Array = np.ndarray


@dataclass(frozen=True, slots=True)
class HaybittlePeto(Boundary):
    """One high critical value at every interim look.

    Haybittle (1971), doi:10.1259/0007-1285-44-526-793; Peto et al. (1976), doi:10.1038/bjc.1976.220. Here the last
    critical value is the one that makes the type I error exact.
    """

    alpha: float = 0.025
    sided: int = 1
    interim: float | tuple[float | None, ...] | None = 3.0
    """Critical value at the interim looks, or a list of one each; null: the trial cannot stop for efficacy there."""
    futility: Futility | None = None
    binding: bool = False

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "boundary", interim=_interim)
        check_boundary(self)

    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,)."""
        interim = self.interim if isinstance(self.interim, tuple) else (self.interim,) * (rates.size - 1)
        if len(interim) != rates.size - 1:
            raise refuse("boundary.interim", interim, f"{rates.size - 1} critical values, one a look but the last")
        early = np.array([np.inf if value is None else value for value in interim])
        floor = -early if self.sided == 2 else futility[:-1]
        spent = 0.0
        if early.size:
            spent = float(crossing(rates[None, :-1], early[None], floor[None], np.zeros(1)).upper.sum())
        left = self.alpha / self.sided - spent
        if left <= 0:
            raise refuse("boundary.interim", self.interim, f"critical values that leave some of alpha {self.alpha:g}")
        probability = np.full((1, rates.size), left)
        side = Side(np.append(early, np.nan)[None], probability)
        made, _ = boundary_values(rates[None], side, given(futility[None]), np.zeros(1), binding=True, sided=self.sided)
        return np.asarray(made[0])


def _interim(where: str, value: object) -> float | tuple[float | None, ...] | None:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(None if each is None else Number(above=0)(where, each) for each in optional_numbers(where, value))
    return None if value is None else Number(above=0)(where, value)
