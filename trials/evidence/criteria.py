"""Technical criteria against what the simulation found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.evidence.answers import Criterion

SHARES = ("power", "type_1_error", "coverage", "failure_rate",
          "familywise_error", "disjunctive_power", "conjunctive_power")  # fmt: skip
"""Characteristics that are shares of replicates."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A criterion, what was found, and whether it is met.

    Attributes
    ----------
    criterion
        The criterion.
    value, mcse, replicates
        What was found, its Monte Carlo standard error and how many simulated trials it rests on.
    margin
        Distance inside the nearest limit in Monte Carlo standard errors; negative outside, infinite without error.
    met
        Whether the value is within the limits, up to the allowance the criterion makes.
    """

    criterion: Criterion
    value: float
    mcse: float
    replicates: int
    margin: float
    met: bool

    @property
    def clear(self) -> bool:
        """Whether another run would most likely come to the same: what is just allowed is two standard errors away."""
        return abs(self.margin + self.criterion.allow_mcse) >= 2


def judged(criterion: Criterion, characteristics: Mapping[str, Any]) -> Judged:
    """Judge one criterion by the characteristics of a run.

    Raises
    ------
    TrialError
        When the run has no such characteristic, or no value of it.
    """
    there = characteristics.get(criterion.scenario, {}).get(criterion.analysis, {})
    found = there.get(criterion.characteristic)
    if found is None or found["value"] is None:
        known = ", ".join(name for name, entry in there.items() if entry["value"] is not None) or "none"
        where = f"{criterion.scenario}, {criterion.analysis}"
        raise TrialError(f"criteria.{criterion.name}: {where} has no {criterion.characteristic}; it has {known}")
    value, mcse = float(found["value"]), float(found["mcse"] or 0.0)
    sides = [(value - limit, limit) for limit in (criterion.at_least,) if limit is not None]
    sides += [(limit - value, limit) for limit in (criterion.at_most,) if limit is not None]
    errors = [(inside, _error(criterion, limit, mcse, found["replicates"])) for inside, limit in sides]
    met = all(inside >= -criterion.allow_mcse * error - 1e-12 for inside, error in errors)
    return Judged(criterion, value, mcse, int(found["replicates"]), min(_margin(*one) for one in errors), met)


def stated(criterion: Criterion) -> bool:
    """Whether a criterion says what number it is of, and a limit: in a draft it may not yet."""
    limits = (criterion.at_least, criterion.at_most)
    return all((criterion.scenario, criterion.analysis, criterion.characteristic)) and limits != (None, None)


def limit(criterion: Criterion) -> str:
    """Limits in words: ``at least 0.9``."""
    parts = [f"at least {_signed(criterion.at_least)}"] if criterion.at_least is not None else []
    parts += [f"at most {_signed(criterion.at_most)}"] if criterion.at_most is not None else []
    allowed = f", allowing {criterion.allow_mcse:g} MCSE" if criterion.allow_mcse else ""
    return " and ".join(parts) + allowed


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _error(criterion: Criterion, limit: float, mcse: float, replicates: int) -> float:
    """Monte Carlo standard error to measure by: of a share that at the limit, where that of 0 or 1 found would be 0."""
    if criterion.characteristic.partition(": ")[0] in SHARES and 0 <= limit <= 1 and replicates:
        return math.sqrt(limit * (1 - limit) / replicates)
    return mcse


def _margin(inside: float, error: float) -> float:
    return inside / error if error else math.copysign(math.inf, inside)
