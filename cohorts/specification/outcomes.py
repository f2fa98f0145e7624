"""What is observed beside measurements on a scale: yes or no, counts, times of events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from cohorts.specification import likelihood
from cohorts.specification.quantities import Quantity

Value = Any
Values = Mapping[str, Value]


class Kind(NamedTuple):
    """One row: the distribution of an outcome given outputs of the model."""

    fields: tuple[str, ...]
    """Its own numbers, such as the dispersion of a count."""
    outputs: tuple[str, ...]
    """What YAML calls the outputs it needs; none for the one output that bears the outcome's name."""
    log_likelihood: Callable[[Value, tuple[Value, ...], Values, Any], Value]
    """Outcome, outputs, own numbers, array namespace to the logarithm of its probability (density)."""
    quantile: Callable[[Value, tuple[Value, ...], Values], Value] | None
    """Probability, outputs, own numbers to the outcome, on numpy; None where the outputs do not tell."""
    wanted: str
    """What the data may hold, for messages."""
    allowed: Callable[[Value], Value]
    """Whether an observation may be so, element by element, on numpy."""


def _bernoulli(y: Value, f: tuple[Value, ...], own: Values, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    return xp.log(xp.where(xp.greater(y, 0.5), f[0], 1.0 - f[0]))


def _poisson(y: Value, f: tuple[Value, ...], own: Values, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    return likelihood.count_log(y, f[0], xp) - f[0] - likelihood.special(xp).gammaln(y + 1.0)


def _negative_binomial(y: Value, f: tuple[Value, ...], own: Values, xp: Any) -> Value:
    sp, alpha = likelihood.special(xp), own["dispersion"]
    size, spare = 1.0 / alpha, alpha * f[0]
    apart = sp.gammaln(y + size) - sp.gammaln(size) - sp.gammaln(y + 1.0)
    return apart - (y + size) * xp.log1p(spare) + likelihood.count_log(y, spare, xp)


def _event(y: Value, f: tuple[Value, ...], own: Values, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    return likelihood.count_log(y, f[0], xp) - f[1]


def _whole(y: Value) -> Value:
    return (y >= 0.0) & (y == np.round(y))


def _either(y: Value) -> Value:
    return (y == 0.0) | (y == 1.0)


OUTCOMES: dict[str, Kind] = {
    "bernoulli": Kind((), (), _bernoulli, lambda u, f, _: (u > 1.0 - f[0]).astype(float), "0 or 1", _either),
    "poisson": Kind((), (), _poisson, lambda u, f, _: stats.poisson.ppf(u, f[0]), "a whole number >= 0", _whole),
    "negative_binomial": Kind(
        ("dispersion",),
        (),
        _negative_binomial,
        lambda u, f, own: stats.nbinom.ppf(u, 1.0 / own["dispersion"], 1.0 / (1.0 + own["dispersion"] * f[0])),
        "a whole number >= 0",
        _whole,
    ),
    "event": Kind((), ("hazard", "cumulative_hazard"), _event, None, "1 (event) or 0 (censored)", _either),
}
"""``bernoulli``: the output is the probability of 1. ``poisson``: the mean count. ``negative_binomial``: the mean; the
variance is mean + dispersion mean^2. ``event``: dv is 1 for an event at the time of the record and 0 for a person
without one until then; the likelihood is hazard^dv exp(-cumulative hazard)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome that is not a measurement on a scale.

    Attributes
    ----------
    output
        Its name in the data; for all but events the name of the model's output that drives it.
    kind
        Row of `OUTCOMES`.
    own
        Its own numbers, in the order of the row's fields.
    drivers
        Names of the model's outputs, in the order of the row's outputs; empty where the row names none.
    """

    output: str
    kind: str
    own: tuple[Quantity, ...] = ()
    drivers: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """Population-level name of each of its own numbers, such as ``dispersion_seizures``."""
        return {field: f"{field}_{self.output}" for field in OUTCOMES[self.kind].fields}

    @property
    def told(self) -> bool:
        """Whether the requested outputs at the records tell what happens, so that it can be simulated."""
        return OUTCOMES[self.kind].quantile is not None

    @property
    def requests(self) -> tuple[str, ...]:
        """Outputs of the model that the likelihood of an observation needs."""
        return self.drivers or (self.output,)

    def log_likelihood(
        self,
        dv: Value,
        predicted: tuple[Value, ...],
        values: Values,
        xp: Any,
        *,
        below: Value,  # noqa: ARG002 (one call shape with Residual)
        lloq: Value,  # noqa: ARG002
    ) -> Value:
        """Log likelihood of each observation; `Residual.log_likelihood` says what the arguments are."""
        own = {field: values[name] for field, name in self.names.items()}
        return OUTCOMES[self.kind].log_likelihood(dv, predicted, own, xp)

    def simulate(self, predicted: tuple[Value, ...], values: Values, noise: Value) -> Value:
        """Outcomes from the model's values and standard normal `noise`, on numpy.

        Raises
        ------
        ValueError
            For an event: its time is not told by the hazard at the times of the records.
        """
        quantile = OUTCOMES[self.kind].quantile
        if quantile is None:
            raise ValueError(f"{self.output}: the times of events are not told by hazards at the times of the records")
        return quantile(special.ndtr(noise), predicted, {field: values[name] for field, name in self.names.items()})
