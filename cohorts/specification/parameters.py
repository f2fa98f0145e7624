"""How a patient's parameters vary: typical value, covariate effects, differences between patients and occasions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cohorts.specification.effects import Effect, LevelEffect
from cohorts.specification.quantities import Quantity

Value = Any
"""A numpy array or a PyTensor variable: the equations below are written once for both."""

Limits = tuple[float, float]


class Scale(NamedTuple):
    """Scale on which a patient's deviation is normal."""

    apply: Callable[[Value, Value, Limits, Any], Value]
    """Typical value, deviation, limits, array namespace (numpy or pytensor.tensor) to the patient's value."""
    link: Callable[[Value, Limits, Any], Value]
    """Typical value, limits, array namespace to the number the deviation is added to."""
    limits: Limits
    """Range the typical value must lie in (open)."""
    bounded: bool = False
    """Whether the population may give other limits, ``low`` and ``high``."""
    shaped: bool = False
    """Whether the deviation between patients is bent by a Box-Cox ``shape``."""


def _logit(typical: Value, deviation: Value, _: Limits, xp: Any) -> Value:
    return typical / (typical + (1.0 - typical) * xp.exp(-deviation))


def _between(typical: Value, deviation: Value, limits: Limits, xp: Any) -> Value:
    low, high = limits
    return low + (high - low) * _logit((typical - low) / (high - low), deviation, limits, xp)


def _log(typical: Value, _: Limits, xp: Any) -> Value:
    return xp.log(typical)


def _logistic(typical: Value, limits: Limits, xp: Any) -> Value:
    return xp.log(typical - limits[0]) - xp.log(limits[1] - typical)


def _exp(typical: Value, deviation: Value, _: Limits, xp: Any) -> Value:
    return typical * xp.exp(deviation)


_POSITIVE = (0.0, float("inf"))

SCALES: dict[str, Scale] = {
    "lognormal": Scale(_exp, _log, _POSITIVE),
    "normal": Scale(lambda t, d, *_: t + d, lambda t, *_: t, (float("-inf"), float("inf"))),
    "logit": Scale(_logit, _logistic, (0.0, 1.0)),
    "logit-normal": Scale(_between, _logistic, (0.0, 1.0), bounded=True),
    "box-cox": Scale(_exp, _log, _POSITIVE, shaped=True),
}
"""``logit-normal`` lies between ``low`` and ``high``. ``box-cox`` is lognormal with a skewed deviation between
patients, see `bent`."""


def bent(deviation: Value, shape: Value, xp: Any) -> Value:
    """Deviation between patients after a Box-Cox transformation of its exponential, ((e^eta)^shape - 1) / shape.

    At shape 0 it is the deviation itself; above 0 its distribution is skewed to the right.
    Petersson, Hanze, Savic & Karlsson 2009, doi:10.1007/s11095-009-9931-0.
    """
    flat = xp.less(xp.abs(shape), 1e-8)
    safe = xp.where(flat, 1.0, shape)
    return xp.where(flat, deviation * (1.0 + 0.5 * shape * deviation), xp.expm1(safe * deviation) / safe)


PARAMETERISATIONS = ("auto", "centred", "non-centred")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the disease or drug model and how it varies.

    Attributes
    ----------
    name, unit, meaning
        As the model declares it.
    typical
        Value of the reference patient.
    scale
        Row of `SCALES`.
    effects
        Covariate effects, multiplied together.
    between_subject
        Standard deviation of the patients' deviations on `scale`; None when patients do not differ.
    between_occasion
        Standard deviation of one patient's deviations between occasions on `scale`; None when occasions do not differ.
    total
        Whether `between_subject` contains the variability between occasions, as an estimate from one occasion does.
        The occasion's share is then taken out of it, so that the variance seen at one occasion is the one stated.
    between_site, between_study
        Standard deviations of the deviations of sites and of studies on `scale`, which their patients share.
    limits
        Range of the parameter; that of the scale unless the scale lets it be given.
    shape
        Box-Cox shape of the deviation between patients, for a scale that has one.
    parameterisation
        How a fit samples the patients' deviations, one of `PARAMETERISATIONS`; it changes no result but the speed.
    """

    name: str
    unit: str
    meaning: str
    typical: Quantity
    scale: str
    effects: tuple[Effect | LevelEffect, ...]
    between_subject: Quantity | None
    between_occasion: Quantity | None
    total: bool
    between_site: Quantity | None = None
    between_study: Quantity | None = None
    limits: Limits = _POSITIVE
    shape: Quantity | None = None
    parameterisation: str = "auto"

    @property
    def spreads(self) -> dict[str, Quantity]:
        """Standard deviations by their population-level names."""
        kinds = {"omega": self.between_subject, "gamma": self.between_occasion}
        kinds |= {"tau_site": self.between_site, "tau_study": self.between_study}
        return {f"{kind}_{self.name}": q for kind, q in kinds.items() if q}


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of the deviations of several parameters between patients.

    Attributes
    ----------
    of
        Names of the parameters.
    partial
        Canonical partial correlations (row by row below the diagonal), fixed or with a prior; for two parameters the
        one of them is the correlation. Lewandowski, Kurowicka & Joe 2009, doi:10.1016/j.jmva.2009.04.008.
    lkj
        Shape of the LKJ prior they come from; None when a matrix was given.
    matrix
        The matrix given; empty when they have a prior.
    source
        Where the matrix or the prior comes from.
    """

    of: tuple[str, ...]
    partial: tuple[Quantity, ...]
    lkj: float | None
    matrix: tuple[tuple[float, ...], ...]
    source: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parameters, in the order of `partial`."""
        return tuple((self.of[j], self.of[i]) for i in range(len(self.of)) for j in range(i))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Classes of patients that nobody observed, such as the phenotype of a metaboliser.

    A patient's class acts like the level of a categorical covariate: effects of parameters name the mixture. In a draw
    it is a variable; a fit sums the likelihood of each patient over the classes; a twin has a share of its particles in
    each of them.

    A population has one mixture: two of them are the classes of one, each pair a class. Where the data tell much of
    each patient a fit must sample the parameters that depend on the class centred, which it does by itself: else a
    patient's deviations have a mode in every class, between which chains do not pass.

    Attributes
    ----------
    name, meaning, source
        What it is and where the shares of its classes come from.
    levels
        Names of the classes.
    sticks
        For each class but the last its share among the patients in none of the classes before it, fixed or beta.
    dirichlet
        Numbers of the Dirichlet prior of the shares; empty when they are fixed.
    """

    name: str
    meaning: str
    source: str
    levels: tuple[str, ...]
    sticks: tuple[Quantity, ...]
    dirichlet: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Population-level names of the sticks."""
        return tuple(f"share_{self.name}_{level}" for level in self.levels[:-1])

    def shares(self, sticks: tuple[Value, ...]) -> list[Value]:
        """Share of each class among all patients, from the sticks."""
        left: Value = 1.0
        made: list[Value] = []
        for stick in sticks:
            made.append(left * stick)
            left = left * (1.0 - stick)
        return [*made, left]
