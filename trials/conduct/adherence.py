"""Which doses patients take: each by chance, or in runs with drug holidays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from trials.checks import Number, Optional, fields

type Array = np.ndarray


class Adherence(ABC):
    """A rule by which doses are taken or not; members are frozen dataclasses."""

    __slots__ = ()

    @abstractmethod
    def taken(self, uniform: Array) -> Array:
        """Whether each dose is taken: bool (..., dose).

        Parameters
        ----------
        uniform
            Uniform numbers (..., dose + 1, 2); the first pair is the patient's, then one pair a dose, in their order.
        """


@dataclass(frozen=True, slots=True)
class Binomial(Adherence):
    """Each dose is taken with one probability, the same for all patients or beta-distributed among them.

    With `precision` a patient's own probability is beta with mean `probability` and variance ``probability (1 -
    probability) / (precision + 1)``: the count of doses taken is beta-binomial.
    """

    probability: float
    precision: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "adherence", probability=Number(least=0, most=1), precision=Optional(Number(above=0)))

    def taken(self, uniform: Array) -> Array:
        """Whether each dose is taken."""
        found: Array = uniform[..., 1:, 0] < self._own(uniform[..., :1, 0])
        return found

    def _own(self, uniform: Array) -> Array | float:
        """Probability of each patient."""
        if self.precision is None or self.probability in (0.0, 1.0):
            return self.probability
        from scipy.stats import beta

        mean, total = self.probability, self.precision
        found: Array = beta.ppf(uniform, mean * total, (1 - mean) * total)
        return found


@dataclass(frozen=True, slots=True)
class Markov(Adherence):
    """Whether a dose is taken depends on whether the one before was; and patients go on drug holidays.

    A chain of three states in steps of doses: taken, missed, on holiday. The first dose finds the chain without
    holidays in its steady state. Taken and missed: Girard 1998, Stat Med 17:2313.
    """

    after_taken: float
    """Probability to take a dose after one that was taken."""
    after_missed: float
    """Probability to take a dose after one that was missed or after a holiday's last."""
    holiday: float = 0.0
    """Probability, before each dose but on holiday, that a holiday begins with it."""
    holiday_doses: float = 3.0
    """Mean number of doses that a holiday lasts, at least 1; the number is geometric."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        chance = Number(least=0, most=1)
        fields(
            self, "adherence", after_taken=chance, after_missed=chance, holiday=chance, holiday_doses=Number(least=1)
        )

    def taken(self, uniform: Array) -> Array:
        """Whether each dose is taken."""
        before = uniform[..., 0, 0] < self._steady
        away = np.zeros(before.shape, dtype=bool)
        out = np.empty((*uniform.shape[:-2], uniform.shape[-2] - 1), dtype=bool)
        for dose in range(out.shape[-1]):
            take, leave = uniform[..., dose + 1, 0], uniform[..., dose + 1, 1]
            stays = away & (leave >= 1 / self.holiday_doses)
            away = stays | (~away & (leave < self.holiday))
            before = ~away & (take < np.where(before, self.after_taken, self.after_missed))
            out[..., dose] = before
        return out

    @property
    def _steady(self) -> float:
        """Probability that a dose is taken in the steady state of the chain without holidays."""
        out = 1 - self.after_taken + self.after_missed
        return 1.0 if out == 0 else self.after_missed / out
