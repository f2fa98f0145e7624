"""How a measurement differs from the model's value: assay noise, model misfit, timing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    """

    output: str
    kind: str
    sigmas: tuple[Quantity, ...]

    @property
    def names(self) -> dict[str, str]:
        """Population-level name of each standard deviation, such as ``sigma_additive_concentration``."""
        return {s: f"sigma_{s}_{self.output}" for s in ERRORS[self.kind].sigmas}

    def spread(self, prediction: Value, values: Mapping[str, Value], xp: Any) -> Value:
        """Standard deviation of a measurement (of its logarithm for ``lognormal``).

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

        `spread` says what the other arguments are. No limit of quantification is applied here.
        """
        step = self.spread(prediction, values, xp) * noise
        return prediction * xp.exp(step) if ERRORS[self.kind].log else prediction + step
