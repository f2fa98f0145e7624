"""Accrual at known rates: constant, or constant by period."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trials.checks import Choice, Number, fields, refuse
from trials.enrolment.base import Enrolment, crossing, waiting

PROCESSES = ("poisson", "regular")


@dataclass(frozen=True, slots=True)
class Accrual(Enrolment):
    """Candidates come at a rate that is constant from each time of a list to the next, from the last one on for good.

    ``poisson`` arrivals are a Poisson process of that rate; ``regular`` ones come when the expected number reaches
    1, 2, 3, …, without chance.
    """

    rates: tuple[float, ...]
    """Candidates per unit of the model's time, one for each of ``starts``."""
    starts: tuple[float, ...] = (0.0,)
    """Calendar times from which the rates hold."""
    process: str = "poisson"

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "enrolment", rates=_numbers, starts=_numbers, process=Choice(PROCESSES))
        if len(self.rates) != len(self.starts):
            raise refuse("enrolment.rates", self.rates, f"one rate for each of the {len(self.starts)} starts")
        if any(later <= earlier for earlier, later in pairwise(self.starts)):
            raise refuse("enrolment.starts", self.starts, "increasing times of at least 0")
        if not self.rates[-1] > 0:
            raise refuse("enrolment.rates", self.rates, "a last rate above 0, or the trial would never be full")

    @property
    def site_names(self) -> tuple[str, ...]:
        """Sites are not told apart."""
        return ()

    @property
    def region_names(self) -> tuple[str, ...]:
        """Nor are regions."""
        return ()

    @property
    def region_of_site(self) -> tuple[int, ...]:
        """No site, no region."""
        return ()

    def arrivals(self, generator: np.random.Generator, screened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return calendar times (subject,) and 0 as the site of everybody."""
        poisson = self.process == "poisson"
        wanted = waiting(generator.random(screened.size), screened) if poisson else np.cumsum(screened, dtype=float)
        times = crossing(np.asarray(self.starts), np.asarray(self.rates), wanted)
        return times, np.zeros(screened.size, dtype=np.int64)


def _numbers(where: str, value: object) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of numbers of at least 0")
    found = tuple(Number(least=0)(where, each) for each in value)
    if not found:
        raise refuse(where, value, "one number or more")
    return found
