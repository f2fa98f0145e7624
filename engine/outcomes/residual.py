"""How a measurement differs from the model's value: residual error and limits of quantification.

Names and forms are those of NONMEM and Monolix: the standard deviation is a, b f, a + b f (``combined1``) or
sqrt(a^2 + b^2 f^2) (``combined2``) for a model value f; ``lognormal`` acts on the logarithm. Student's t in place of
the normal distribution, with the same scale, gives room to outliers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import DataError
from engine.outcomes.fields import check_fields, choice, number, optional

type Floats = NDArray[np.float64]


class Kind(NamedTuple):
    """A row of the table: which sizes an error has, its scale at model values, and whether it acts on the logarithm."""

    sizes: tuple[str, ...]
    scale: "Callable[[Residual, Floats], Floats]"
    log: bool = False


def _size(value: float | None) -> float:
    return 0.0 if value is None else value


KINDS: dict[str, Kind] = {
    "additive": Kind(("additive",), lambda r, f: np.full_like(f, _size(r.additive))),
    "proportional": Kind(("proportional",), lambda r, f: _size(r.proportional) * np.abs(f)),
    "combined1": Kind(("additive", "proportional"), lambda r, f: _size(r.additive) + _size(r.proportional) * np.abs(f)),
    "combined2": Kind(
        ("additive", "proportional"), lambda r, f: np.hypot(_size(r.additive), _size(r.proportional) * f)
    ),
    "lognormal": Kind(("lognormal",), lambda r, f: np.full_like(f, _size(r.lognormal)), log=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Residual error of one output.

    Parameters
    ----------
    kind
        Row of :data:`KINDS`: ``additive``, ``proportional``, ``combined1``, ``combined2`` or ``lognormal``.
    additive
        Standard deviation in the output's unit.
    proportional
        Standard deviation as a share of the model's value.
    lognormal
        Standard deviation of the logarithm.
    freedom
        Degrees of freedom of Student's t, above 0; None for the normal distribution.
    """

    kind: str
    additive: float | None = None
    proportional: float | None = None
    lognormal: float | None = None
    freedom: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        positive = optional(number(least=0))
        check_fields(self, kind=choice(tuple(KINDS)), freedom=optional(number(above=0)))
        check_fields(self, additive=positive, proportional=positive, lognormal=positive)
        for name in ("additive", "proportional", "lognormal"):
            wanted = name in KINDS[self.kind].sizes
            if wanted != (getattr(self, name) is not None):
                words = "a number" if wanted else f"None: a {self.kind} error has none"
                raise DataError(f"Residual.{name}: got {getattr(self, name)!r}, wanted {words}")

    def scale(self, values: ArrayLike) -> Floats:
        """Standard deviation (scale, of Student's t) of a measurement, or of its logarithm, at model values."""
        return KINDS[self.kind].scale(self, np.asarray(values, dtype=np.float64))

    def observe(self, values: ArrayLike, rng: np.random.Generator) -> Floats:
        """Measurements of model values, of the same shape; an additive part may make them negative."""
        true = np.asarray(values, dtype=np.float64)
        noise = rng.standard_normal(true.shape) if self.freedom is None else rng.standard_t(self.freedom, true.shape)
        step = self.scale(true) * noise
        return true * np.exp(step) if KINDS[self.kind].log else true + step


RULES = ("zero", "half", "limit", "missing", "value")
"""What stands for a value below the limit: 0, half the limit, the limit, nothing, or the value as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantification:
    """Limits of quantification of an assay, and what is reported outside them.

    Parameters
    ----------
    lloq
        Lower limit; a value below it is flagged and reported as ``below`` says.
    uloq
        Upper limit; a value above it is flagged and reported as the limit. None is no limit.
    below
        One of :data:`RULES`.
    """

    lloq: float
    uloq: float | None = None
    below: str = "zero"

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, lloq=number(least=0), uloq=optional(number(above=0)), below=choice(RULES))
        if self.uloq is not None and self.uloq <= self.lloq:
            raise DataError(f"Quantification.uloq: got {self.uloq:g}, wanted a limit above lloq ({self.lloq:g})")

    def report(self, values: ArrayLike) -> tuple[Floats, NDArray[np.int8]]:
        """Values as reported, and a flag each: -1 below, 0 within, 1 above. A missing value stays so, flag 0."""
        measured = np.asarray(values, dtype=np.float64)
        low = measured < self.lloq
        high = np.zeros(measured.shape, dtype=bool) if self.uloq is None else measured > self.uloq
        stands = {"zero": 0.0, "half": self.lloq / 2, "limit": self.lloq, "missing": np.nan}.get(self.below)
        found = np.where(low, measured if stands is None else stands, measured)
        found = np.where(high, np.inf if self.uloq is None else self.uloq, found)
        return found, high.astype(np.int8) - low.astype(np.int8)
