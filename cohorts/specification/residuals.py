"""How a measurement differs from the model's value: assay noise, model misfit, timing, limit of quantification."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from cohorts.specification import likelihood
from cohorts.specification.quantities import Quantity

Value = Any


class Error(NamedTuple):
    """One row: which standard deviations an error model has and how they act."""

    sigmas: tuple[str, ...]
    spread: Callable[[Value, Mapping[str, Value], Any], Value]
    """Model value, sigmas, array namespace to the standard deviation of the measurement (or of its logarithm)."""
    log: bool = False
    """Whether the deviation acts on the logarithm."""


ERRORS: dict[str, Error] = {
    "additive": Error(("additive",), lambda f, s, xp: s["additive"] + xp.zeros_like(f)),
    "proportional": Error(("proportional",), lambda f, s, xp: s["proportional"] * xp.abs(f)),
    "combined1": Error(("additive", "proportional"), lambda f, s, xp: s["additive"] + s["proportional"] * xp.abs(f)),
    "combined2": Error(
        ("additive", "proportional"), lambda f, s, xp: xp.sqrt(s["additive"] ** 2 + (s["proportional"] * f) ** 2)
    ),
    "lognormal": Error(("lognormal",), lambda f, s, xp: s["lognormal"] + xp.zeros_like(f), log=True),
}

BLQ = ("M1", "M3", "M4")
"""Measurements below the limit of quantification: left out (M1); the probability of lying below it (M3); that of lying
between 0 and it, all measurements being positive (M4). Beal 2001, doi:10.1023/A:1012299115260."""


@dataclass(frozen=True, slots=True)
class Residual:
    """Residual error of one output of the model.

    Attributes
    ----------
    output
        Name of the model's output.
    kind
        Row of `ERRORS`: sd = a; b f; a + b f (``combined1``); sqrt(a^2 + b^2 f^2) (``combined2``); or ``lognormal``,
        where ln y is normal about ln f.
    sigmas
        Standard deviations in the order of the row: ``additive`` in the output's unit, the others dimensionless.
    student
        Degrees of freedom of Student's t, whose scale the spread then is; None for a normal distribution.
    blq
        One of `BLQ`: what a fit makes of measurements below the limit of quantification; empty when there are none.
    """

    output: str
    kind: str
    sigmas: tuple[Quantity, ...]
    student: Quantity | None = None
    blq: str = ""

    @property
    def names(self) -> dict[str, str]:
        """Population-level name of each number, such as ``sigma_additive_concentration`` or ``nu_concentration``."""
        spreads = {s: f"sigma_{s}_{self.output}" for s in ERRORS[self.kind].sigmas}
        return {**spreads, **({"student": f"nu_{self.output}"} if self.student else {})}

    @property
    def log(self) -> bool:
        """Whether the error acts on the logarithm."""
        return ERRORS[self.kind].log

    @property
    def requests(self) -> tuple[str, ...]:
        """Outputs of the model that the likelihood of a measurement needs."""
        return (self.output,)

    def spread(self, prediction: Value, values: Mapping[str, Value], xp: Any) -> Value:
        """Standard deviation of a measurement (of its logarithm for ``lognormal``); the scale where it is Student's t.

        Parameters
        ----------
        prediction
            The model's values.
        values
            Population-level values by name (`names`), each broadcastable against `prediction`.
        xp
            Array namespace: `numpy` or `pytensor.tensor`.
        """
        return ERRORS[self.kind].spread(prediction, {s: values[n] for s, n in self.names.items()}, xp)

    def observe(self, prediction: Value, values: Mapping[str, Value], noise: Value, xp: Any) -> Value:
        """Measurements from model values and standard normal `noise` of the same shape; may be negative.

        `spread` says what the other arguments are. No limit of quantification is applied here. Student's t is made of
        the noise by its distribution function, on numpy alone.
        """
        if self.student is not None:
            nu = values[self.names["student"]]
            noise = -np.sign(noise) * special.stdtrit(nu, special.ndtr(-np.abs(noise)))
        step = self.spread(prediction, values, xp) * noise
        return prediction * xp.exp(step) if self.log else prediction + step

    def log_likelihood(
        self,
        dv: Value,
        predicted: tuple[Value, ...],
        values: Mapping[str, Value],
        xp: Any,
        *,
        below: Value,
        lloq: Value,
    ) -> Value:
        """Log likelihood of each measurement.

        Parameters
        ----------
        dv
            What was measured, numpy or a variable of `xp`; not looked at where `below`.
        predicted
            The model's values, one array for each of `requests`.
        values, xp
            As `spread` takes them.
        below
            Whether a measurement lies below its limit of quantification; numpy or a variable.
        lloq
            The limit; looked at where `below`.
        """
        f, log = predicted[0], self.log
        sd = self.spread(f, values, xp)
        nu = values[self.names["student"]] if self.student else None
        middle = xp.log(f) if log else f
        seen = xp.where(below, 1.0, dv)
        found = _density(((xp.log(seen) if log else seen) - middle) / sd, nu, xp) - xp.log(sd)
        found = found - xp.log(seen) if log else found
        positive = self.blq == "M4" and not log
        if positive:
            found = found - _below(middle / sd, nu, xp)
        if isinstance(below, np.ndarray) and not below.any():
            return found
        limit = xp.where(below, lloq, 1.0)
        censored = _below(((xp.log(limit) if log else limit) - middle) / sd, nu, xp)
        if positive:
            censored = likelihood.difference(censored, _below(-middle / sd, nu, xp), xp)
            censored = censored - _below(middle / sd, nu, xp)
        return xp.where(below, xp.zeros_like(found) if self.blq == "M1" else censored, found)


def _density(r: Value, nu: Value | None, xp: Any) -> Value:
    return likelihood.normal(r, xp) if nu is None else likelihood.student(r, nu, xp)


def _below(r: Value, nu: Value | None, xp: Any) -> Value:
    return likelihood.normal_below(r, xp) if nu is None else likelihood.student_below(r, nu, xp)
