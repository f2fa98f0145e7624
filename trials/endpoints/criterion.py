"""A criterion on a course of measurements, such as a threshold or a progression from the nadir."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Choice, Number, Optional, Whole, fields, refuse

type Array = np.ndarray

OF = ("value", "change", "percent", "nadir", "peak")


@dataclass(frozen=True, slots=True)
class Criterion:
    """Whether and when measurements of a patient are beyond a limit.

    Attributes
    ----------
    above, below
        The limit; one of them.
    of
        What is compared with it: the ``value``; its ``change``, or ``percent`` change, from the first measurement; or
        the percent change from the smallest (``nadir``) or largest (``peak``) value so far, the first one included.
    least
        Smallest absolute difference from what it is compared with that counts: 5 mm in RECIST 1.1 (Eisenhauer 2009,
        doi:10.1016/j.ejca.2008.10.026).
    consecutive
        Measurements in a row that must be beyond the limit; the criterion is met with the last of them.
    """

    above: float | None = None
    below: float | None = None
    of: str = "value"
    least: float = 0.0
    consecutive: int = 1

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "criterion", above=Optional(Number()), below=Optional(Number()), of=Choice(OF))
        fields(self, "criterion", least=Number(least=0), consecutive=Whole(1))
        if (self.above is None) == (self.below is None):
            raise refuse("criterion.above", (self.above, self.below), "either `above` or `below`")
        if self.of == "value" and self.least:
            raise refuse("criterion.least", self.least, "0 where the value itself is compared")

    def met(self, values: Array) -> Array:
        """Whether the criterion is met with each measurement: bool (..., time); never with a missing one.

        Parameters
        ----------
        values
            Measurements (..., time), in the order of time; NaN where one is missing, which counts as none.
        """
        score, difference = self._scores(values)
        beyond = score > self.above if self.above is not None else score < self.below
        beyond &= np.isfinite(values) & ((difference >= self.least) | (self.least == 0))
        return beyond if self.consecutive == 1 else self._in_a_row(beyond, np.isfinite(values))

    def first(self, values: Array, times: Array) -> Array:
        """Time at which it is first met (...); infinite if never.

        Parameters
        ----------
        values, times
            Measurements (..., time) and when they were taken, (time,) or (..., time).
        """
        found: Array = np.where(self.met(values), times, np.inf).min(axis=-1)
        return found

    def _scores(self, values: Array) -> tuple[Array, Array]:
        """What is compared with the limit, and the absolute difference it stems from."""
        if self.of == "value":
            return values, np.zeros(values.shape)
        if self.of in ("change", "percent"):
            against = values[..., :1]
        else:
            running = np.fmin if self.of == "nadir" else np.fmax
            against = running.accumulate(values, axis=-1)
            against = np.concatenate([values[..., :1], against[..., :-1]], axis=-1)
        difference = values - against
        if self.of == "change":
            return difference, np.abs(difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(against == 0, np.nan, 100 * difference / np.abs(against)), np.abs(difference)

    def _in_a_row(self, beyond: Array, there: Array) -> Array:
        """Whether this measurement and those before it that are known, `consecutive` in all, are beyond the limit."""
        run = np.zeros(beyond.shape[:-1], dtype=np.int64)
        out = np.zeros(beyond.shape, dtype=bool)
        for time in range(beyond.shape[-1]):
            run = np.where(there[..., time], np.where(beyond[..., time], run + 1, 0), run)
            out[..., time] = beyond[..., time] & (run >= self.consecutive)
        return out
