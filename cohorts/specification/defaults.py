"""Weakly informative priors for what a population leaves open, by the word ``default`` or by saying nothing."""

from typing import NamedTuple

from cohorts.specification.quantities import Quantity


class Default(NamedTuple):
    """One row: a prior and why it is weak."""

    family: str
    values: tuple[float, ...]
    reason: str
    written: bool = True
    """Whether the word ``default`` must be written; otherwise saying nothing means the same."""
    lower: float | None = None
    """Truncation from below."""

    def quantity(self) -> Quantity:
        """The prior, with its reason as its source."""
        return Quantity(self.family, self.values, f"default, weakly informative: {self.reason}", self.lower)


DEFAULTS: dict[str, Default] = {
    "spread": Default("halfnormal", (1.0,), "an SD below 2 on the scale of the parameter, 95 % of it"),
    "shape": Default("normal", (0.0, 0.5), "a skew either way, none most likely"),
    "power": Default("normal", (0.0, 1.0), "powers from -2 to 2, 95 % of them", written=False),
    "allometric": Default(
        "normal", (0.75, 0.25), "about the theoretical exponents of clearance, 0.75, and volume, 1", written=False
    ),
    "factor": Default("lognormal", (1.0, 0.5), "between 0.4 and 2.5 times the typical value, 95 % of it"),
    "proportional": Default("halfnormal", (0.5,), "a residual SD below 100 %, 95 % of it", written=False),
    "lognormal": Default("halfnormal", (0.5,), "a residual SD of the logarithm below 1, 95 % of it", written=False),
    "student": Default(
        "gamma", (2.0, 0.1), "Juárez & Steel 2010, doi:10.1198/jbes.2009.07145, with a finite variance", lower=2.0
    ),
    "dispersion": Default("halfnormal", (1.0,), "a variance below mean + 2 mean^2, 95 % of it", written=False),
    "lkj": Default("correlation", (2.0,), "LKJ(2), which leans towards no correlation"),
}
"""By place. Typical values, ``exponential`` and ``linear`` effects and ``additive`` errors have units, so that what is
weak there depends on the drug: they must be written."""
