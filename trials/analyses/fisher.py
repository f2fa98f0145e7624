"""Fisher's exact test of two proportions, with the conditional odds ratio and its exact interval."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import Effect, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.functional import of_means
from trials.analyses.roles import check_roles
from trials.analyses.tables import Counts, binary, counted, total
from trials.errors import TrialError

TIE = 1e-7
"""Relative difference up to which two tables count as equally probable, for rounding."""
WIDEST = 50.0
"""Largest log odds ratio looked for: exp(50) is beyond any table a trial fills."""
HALVINGS = 70


@dataclass(frozen=True, slots=True)
class FisherExact(Contrast):
    """Exact test given both margins of the fourfold table (Fisher 1935, doi:10.2307/2342435).

    The two-sided p-value sums the tables that are no more probable than the observed one. The estimate is the
    logarithm of the odds ratio of greatest conditional likelihood, its interval inverts the two one-sided exact tests
    (Cornfield 1956). Both are NaN, or endless on one side, when a cell is empty: the test still decides. An exact test
    has no ``statistic``.
    """

    measure: ClassVar[str] = "binary"

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)

    @property
    def scale(self) -> str:
        """Estimates are logarithms of odds ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; equal tables are analysed once."""
        table = counted(*binary(data, self.endpoint, test=self.test, control=self.control))
        rows, back = np.unique(np.stack(table, axis=-1), axis=0, return_inverse=True)
        found = _exact(Counts(*rows.T), self.alternative, 1 - self.level)
        values = {name: column[back.ravel()] for name, column in found.items()}
        values |= {"n": table.n, "decision": values["p"] < self.alpha, "failed": table.empty}
        return outcome(self, data, values)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is none to compute
        """Refuse: an odds ratio is no mean over subjects; see `truth`."""
        raise TrialError(f"analysis {self.name}: an odds ratio is no mean of the subjects' contributions")

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the log odds ratio of the arms' true proportions."""
        return of_means(values, (self.test, self.control), log_odds_ratio)


def log_odds_ratio(proportions: np.ndarray) -> np.ndarray:
    """Return the log odds ratio of proportions (..., arm) of two arms, the first against the second."""
    found: np.ndarray = special.logit(proportions[..., 0]) - special.logit(proportions[..., 1])
    return found


def _exact(table: Counts, alternative: str, alpha: float) -> dict[str, np.ndarray]:
    """Return p, estimate, se and limits of distinct tables (row,)."""
    events = table.test_events + table.control_events
    fewest, most = np.maximum(events - table.control_size, 0), np.minimum(events, table.test_size)
    cell = fewest[:, None] + np.arange(int((most - fewest).max(initial=0)) + 1)
    logs = np.where(cell <= most[:, None], _log_ways(table, cell), -np.inf)
    observed = table.test_events
    tails = {"greater": cell >= observed[:, None], "less": cell <= observed[:, None]}
    probability = _probability(logs, cell, np.zeros(len(logs)))
    own = total(probability * (cell == observed[:, None]))[:, None]
    counted_in = tails | {"two-sided": probability <= own * (1 + TIE)}
    mean = (observed + 0.0)[:, None]
    estimate = _solve(lambda at: total(_probability(logs, cell, at) * (cell - mean)), len(cell))
    spread = _probability(logs, cell, estimate)
    centre = total(spread * cell)[:, None]
    inside = (fewest < observed) & (observed < most)
    with np.errstate(divide="ignore"):
        se = 1 / np.sqrt(total(spread * (cell - centre) ** 2))
    lower = _solve(lambda at: total(_probability(logs, cell, at) * tails["greater"]) - alpha / 2, len(cell))
    upper = _solve(lambda at: alpha / 2 - total(_probability(logs, cell, at) * tails["less"]), len(cell))
    return {
        "p": np.minimum(total(probability * counted_in[alternative]), 1.0),
        "estimate": np.where(inside, estimate, np.nan),
        "se": np.where(inside, se, np.nan),
        "lower": np.where(fewest < observed, lower, -np.inf),
        "upper": np.where(observed < most, upper, np.inf),
    }


def _log_ways(table: Counts, cell: np.ndarray) -> np.ndarray:
    """Return the logarithm of the number of tables (row, cell) with these margins and test events."""
    events = (table.test_events + table.control_events)[:, None]
    inside = np.minimum(np.minimum(cell, events), table.test_size[:, None])
    ways: np.ndarray = _log_choose(table.test_size[:, None], inside)
    ways += _log_choose(table.control_size[:, None], events - inside)
    return ways


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    found: np.ndarray = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return found


def _probability(logs: np.ndarray, cell: np.ndarray, log_ratio: np.ndarray) -> np.ndarray:
    """Return the non-central hypergeometric probabilities (row, cell) at a log odds ratio (row,)."""
    powers = logs + cell * log_ratio[:, None]
    weights: np.ndarray = np.exp(powers - powers.max(axis=1, keepdims=True))
    weights /= total(weights)[:, None]
    return weights


def _solve(increasing: Callable[[np.ndarray], np.ndarray], rows: int) -> np.ndarray:
    """Return the log odds ratio (row,) at which an increasing function is zero, by bisection."""
    low, high = np.full(rows, -WIDEST), np.full(rows, WIDEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = increasing(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low
