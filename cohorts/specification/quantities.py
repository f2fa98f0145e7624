"""Numbers with their uncertainty and their source, and the table of distributions they may follow.

A row of the table serves two algebras: numpy draws by the inverse of the distribution function, PyMC gets the class of
the same name with the same parameters.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cohorts.errors import PopulationError

Array = NDArray[np.float64]
Native = dict[str, Any]


class Family(NamedTuple):
    """One row: a distribution in the words of the configuration and in the words of PyMC."""

    fields: tuple[str, ...]
    """Names of its numbers in YAML."""
    positive: frozenset[str]
    """Those of them that must be greater than 0."""
    native: Callable[[Mapping[str, Any]], Native]
    """YAML numbers (or arrays of them) to PyMC's parameters."""
    pymc: str
    """Name of the PyMC class; empty for a fixed value."""
    cdf: Callable[[Any, Native], Array]
    """Distribution function of the unscaled variable."""
    ppf: Callable[[Any, Native], Array]
    """Its inverse."""
    support: Callable[[Native], tuple[Any, Any]]
    """Lowest and highest possible value, after `affine`."""
    affine: tuple[float, float] = (0.0, 1.0)
    """Shift and factor from PyMC's variable to ours (a correlation is a Beta stretched over (-1, 1))."""


def _lognormal(v: Mapping[str, Any]) -> Native:
    return {"mu": np.log(v["median"]), "sigma": np.sqrt(np.log1p(np.square(v["cv"])))}


def _standard(x: Any, p: Native) -> Array:
    return np.asarray(special.ndtr((x - p["mu"]) / p["sigma"]))


def _log_cdf(x: Any, p: Native) -> Array:
    with np.errstate(divide="ignore"):
        return _standard(np.log(np.maximum(x, 0.0)), p)


_REAL = (-math.inf, math.inf)
_POSITIVE = (0.0, math.inf)

FAMILIES: dict[str, Family] = {
    "fixed": Family(
        ("value",),
        frozenset(),
        lambda v: {"value": v["value"]},
        "",
        lambda x, p: np.asarray(np.greater_equal(x, p["value"]), dtype=float),
        lambda u, p: p["value"] + 0.0 * np.asarray(u),
        lambda p: (p["value"], p["value"]),
    ),
    "normal": Family(
        ("mean", "sd"),
        frozenset({"sd"}),
        lambda v: {"mu": v["mean"], "sigma": v["sd"]},
        "Normal",
        _standard,
        lambda u, p: p["mu"] + p["sigma"] * special.ndtri(u),
        lambda _: _REAL,
    ),
    "lognormal": Family(
        ("median", "cv"),
        frozenset({"median", "cv"}),
        _lognormal,
        "LogNormal",
        _log_cdf,
        lambda u, p: np.exp(p["mu"] + p["sigma"] * special.ndtri(u)),
        lambda _: _POSITIVE,
    ),
    "halfnormal": Family(
        ("sd",),
        frozenset({"sd"}),
        lambda v: {"sigma": v["sd"]},
        "HalfNormal",
        lambda x, p: np.asarray(special.erf(np.maximum(x, 0.0) / p["sigma"] / math.sqrt(2.0))),
        lambda u, p: p["sigma"] * special.ndtri(0.5 + 0.5 * np.asarray(u)),
        lambda _: _POSITIVE,
    ),
    "gamma": Family(
        ("shape", "rate"),
        frozenset({"shape", "rate"}),
        lambda v: {"alpha": v["shape"], "beta": v["rate"]},
        "Gamma",
        lambda x, p: np.asarray(special.gammainc(p["alpha"], np.maximum(x, 0.0) * p["beta"])),
        lambda u, p: special.gammaincinv(p["alpha"], u) / p["beta"],
        lambda _: _POSITIVE,
    ),
    "beta": Family(
        ("alpha", "beta"),
        frozenset({"alpha", "beta"}),
        lambda v: {"alpha": v["alpha"], "beta": v["beta"]},
        "Beta",
        lambda x, p: np.asarray(special.betainc(p["alpha"], p["beta"], np.clip(x, 0.0, 1.0))),
        lambda u, p: special.betaincinv(p["alpha"], p["beta"], u),
        lambda _: (0.0, 1.0),
    ),
    "uniform": Family(
        ("low", "high"),
        frozenset(),
        lambda v: {"lower": v["low"], "upper": v["high"]},
        "Uniform",
        lambda x, p: np.clip((x - p["lower"]) / (p["upper"] - p["lower"]), 0.0, 1.0),
        lambda u, p: p["lower"] + (p["upper"] - p["lower"]) * np.asarray(u),
        lambda p: (p["lower"], p["upper"]),
    ),
    "correlation": Family(
        ("shape",),
        frozenset({"shape"}),
        lambda v: {"alpha": v["shape"], "beta": v["shape"]},
        "Beta",
        lambda x, p: np.asarray(special.betainc(p["alpha"], p["beta"], np.clip(x, 0.0, 1.0))),
        lambda u, p: special.betaincinv(p["alpha"], p["beta"], u),
        lambda _: (-1.0, 1.0),
        (-1.0, 2.0),
    ),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its uncertainty (or none) and where it comes from.

    Attributes
    ----------
    family
        Row of `FAMILIES`; ``fixed`` for a plain number.
    values
        The family's numbers, in the order of its fields.
    lower, upper
        Truncation; None for none.
    source
        Citation, or the word "assumption" with its reason.
    """

    family: str
    values: tuple[float, ...]
    source: str
    lower: float | None = None
    upper: float | None = None

    @property
    def free(self) -> bool:
        """Whether it is uncertain, so that it has a prior."""
        return self.family != "fixed"

    @property
    def support(self) -> tuple[float, float]:
        """Lowest and highest value it can take."""
        row = FAMILIES[self.family]
        low, high = row.support(row.native(self.named))
        return max(low, _or(self.lower, -math.inf)), min(high, _or(self.upper, math.inf))

    @property
    def named(self) -> dict[str, float]:
        """The family's numbers by name."""
        return dict(zip(FAMILIES[self.family].fields, self.values, strict=True))

    @property
    def centre(self) -> float:
        """Its median: the value to use where uncertainty is set aside."""
        return float(self.quantile(np.array(0.5)))

    def quantile(self, u: Array) -> Array:
        """Values below which a share `u` (any shape) of the distribution lies; truncation included."""
        return quantiles([self], u, np.zeros(np.shape(u), dtype=np.intp))

    def at_centre(self) -> "Quantity":
        """The same quantity without uncertainty."""
        return Quantity("fixed", (self.centre,), self.source) if self.free else self

    def to_value(self) -> float | dict[str, Any]:
        """The quantity as YAML writes it, without its source."""
        if not self.free:
            return self.values[0]
        bounds = {k: v for k, v in (("lower", self.lower), ("upper", self.upper)) if v is not None}
        return {self.family: self.named, **bounds}


def quantiles(rows: list[Quantity], u: Array, which: NDArray[np.intp]) -> Array:
    """Inverse distribution function where each element follows one of several quantities of one family.

    Parameters
    ----------
    rows
        Quantities of one family.
    u
        Probabilities, any shape.
    which
        Index into `rows` for each element of `u`.
    """
    row = FAMILIES[rows[0].family]
    native = row.native({k: np.array([q.named[k] for q in rows])[which] for k in row.fields})
    shift, factor = row.affine
    low, high = bounds(rows)
    if np.isfinite(low).any() or np.isfinite(high).any():
        below = row.cdf((low[which] - shift) / factor, native)
        u = below + u * (row.cdf((high[which] - shift) / factor, native) - below)
    return np.asarray(shift + factor * row.ppf(u, native), dtype=np.float64)


def bounds(rows: list[Quantity]) -> tuple[Array, Array]:
    """Truncation limits of several quantities; infinite where there is none."""
    return (
        np.array([_or(q.lower, -math.inf) for q in rows]),
        np.array([_or(q.upper, math.inf) for q in rows]),
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def check(quantity: Quantity, where: str, support: tuple[float, float] = _REAL, *, strict: bool = False) -> Quantity:
    """Refuse a quantity whose numbers make no distribution, or that can leave the range its use allows.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    row = FAMILIES[quantity.family]
    for name, value in quantity.named.items():
        if not math.isfinite(value) or (name in row.positive and value <= 0.0):
            wanted = "a number > 0" if name in row.positive else "a finite number"
            raise PopulationError(f"{where}.{quantity.family}.{name}: got {value!r}, wanted {wanted}")
    low, high = quantity.support
    if quantity.free and low >= high:
        raise PopulationError(f"{where}: got a range from {low} to {high}, wanted a lower limit below the upper one")
    touches = strict and not quantity.free and (low <= support[0] or high >= support[1])
    if low < support[0] or high > support[1] or touches:
        got = f"{quantity.values[0]!r}" if not quantity.free else f"values from {low:g} to {high:g}"
        advice = "; truncate it with lower:/upper: or take another distribution" if quantity.free else ""
        raise PopulationError(f"{where}: got {got}, wanted {_range(support, strict=strict)}{advice}")
    return quantity


def _range(support: tuple[float, float], *, strict: bool) -> str:
    equal = "" if strict else "="
    upper = f" and <{equal} {support[1]:g}" if support[1] < math.inf else ""
    return f">{equal} {support[0]:g}{upper}"
