"""What every rank test does: weights to a statistic, a hazard ratio and a decision."""

from abc import abstractmethod

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.survival.analysis import AgainstMargin, Group
from trials.analyses.survival.ranks import hazard_ratio, score
from trials.analyses.survival.risk import RiskSets, by_stratum
from trials.analyses.survival.strata import strata
from trials.checks import Labels, fields

BLOCK = 128
"""Replicates at a time, so that their risk sets stay in the cache."""


class RankTest(AgainstMargin):
    """A weighted log-rank test of test against control, and the weighted log hazard ratio.

    ``statistic`` is the weighted observed less expected events of test over its standard deviation: with the
    alternative ``less`` (a smaller hazard under test) its sign is changed, so that a one-sided test always rejects for
    large values; two-sided, a negative one favours test. Subjects without a stratum are left out.
    """

    __slots__ = ()

    strata: tuple[str, ...]

    def check(self) -> None:
        """Coerce and check the fields every rank test has."""
        super().check()
        fields(self, "analysis", strata=Labels())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of hazard ratios."""
        return "log-ratio"

    @abstractmethod
    def weights(self, sets: RiskSets) -> np.ndarray | None:
        """Return the weight of each event time (replicate, position); None is 1 throughout."""

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        Beside the outputs of every analysis: ``events`` and ``score_variance``, that of the score at the margin. A
        replicate has failed when no event tells the arms apart; with events in one arm only there is a test but no
        estimate.
        """
        group, stratum = self.group(data), strata(data, self.strata)
        group = group if stratum is None else group.within(stratum >= 0)
        blocks = [slice(start, start + BLOCK) for start in range(0, len(group.time), BLOCK)]
        found = [self._fit(group.of(row), None if stratum is None else stratum[row]) for row in blocks]
        value, variance, estimate, se = np.concatenate(found, axis=1)
        failed = ~(variance > 0)
        z = value / np.sqrt(np.where(failed, 1.0, variance))
        half = special.ndtri(0.5 + self.level / 2) * se
        values = {
            "estimate": estimate,
            "se": se,
            "lower": estimate - half,
            "upper": estimate + half,
            "n": group.n,
            "failed": failed,
            "events": group.events,
            "score_variance": variance,
        }
        return outcome(self, data, values | hypothesis.tested(z, self.alternative, self.alpha))

    def _fit(self, group: Group, stratum: np.ndarray | None) -> np.ndarray:
        """Return score, its variance, estimate and standard error: (4, replicate)."""
        sets = list(by_stratum(group.time, group.event, group.used, group.test, stratum=stratum))
        weights = [self.weights(each) for each in sets]
        return np.stack([*score(sets, weights, self.margin), *hazard_ratio(sets, weights)])

    def effect(self, group: Group) -> np.ndarray:
        """Return the weighted log hazard ratio."""
        sets = list(by_stratum(group.time, group.event, group.used, group.test, stratum=None))
        return hazard_ratio(sets, [self.weights(each) for each in sets])[0]
