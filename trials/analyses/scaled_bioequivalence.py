"""Bioequivalence scaled to the variability of the reference, in replicate crossovers: EMA's limits, FDA's criterion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import Analysis, arm_index, logged, measurements, outcome
from trials.analyses.groups import difference
from trials.analyses.within import Within, periods, within
from trials.checks import Choice, Number, fields, label, refuse

EMA_SLOPE = 0.760
"""Expanded limits are exp(±0.760 s) with s the within-subject standard deviation of the reference."""
EMA_SWITCH, EMA_CAP = 0.30, 0.50
"""Coefficients of variation above which limits expand, and above which they expand no further."""
FDA_SWITCH = 0.294
"""Within-subject standard deviation of the reference from which the scaled criterion is used."""
FDA_THETA = (np.log(1.25) / 0.25) ** 2


@dataclass(frozen=True, slots=True)
class ScaledBioequivalence(Analysis):
    """Ratio of geometric means against limits that widen with the reference's within-subject variability.

    ``EMA``: average bioequivalence with expanding limits, CPMP/EWP/QWP/1401/98 Rev. 1, by "method A" of the Q&A
    EMA/582648/2016: fixed effects of subject, period and arm; the reference's variance from its periods alone; above a
    coefficient of variation of 30 % the limits are exp(±0.760 s), at most those of 50 %; the ratio itself must lie
    within ``lower`` and ``upper``.

    ``FDA``: reference-scaled average bioequivalence, guidance on progesterone (2011): from s = 0.294 the 95 % upper
    bound of (difference)² - (ln 1.25 / 0.25)² s² by Howe's approximation must not be above 0, and the ratio within
    ``lower`` and ``upper``; below, the 90 % interval must. Differences are subjects' contrasts of complete data, in
    the unscaled case too, where the guidance has a mixed model.

    Outputs of its own: ``cv_within_reference``, ``limit`` (logarithm of the upper limit the interval is held against;
    NaN where FDA's criterion replaces it) and ``criterion`` (FDA's bound; NaN with EMA). ``p`` is that of the two
    one-sided tests at the limits, 1 when the ratio itself is outside; NaN where there are none.
    """

    layout: ClassVar[str] = "replicate"

    name: str
    endpoint: str
    test: str
    reference: str
    regulator: str
    """``EMA`` or ``FDA``."""
    lower: float = 0.80
    """Limits of the ratio itself, and of the interval when the reference varies little."""
    upper: float = 1.25
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, test=label, reference=label)
        fields(self, "analysis", regulator=Choice(("EMA", "FDA")), alpha=Number(above=0, below=0.5))
        fields(self, "analysis", lower=Number(above=0), upper=Number(above=0))
        if not self.lower < 1 < self.upper:
            raise refuse("analysis.upper", (self.lower, self.upper), "limits on either side of 1")
        if self.test == self.reference:
            raise refuse("analysis.reference", self.reference, "another arm than analysis.test")

    @property
    def scale(self) -> str:
        """Estimates are logarithms of ratios."""
        return "log-ratio"

    @property
    def level(self) -> float:
        """Level of the interval: 90 % for two tests of 5 %."""
        return 1 - 2 * self.alpha

    @property
    def decides(self) -> bool:
        """Decides for equivalence."""
        return True

    @property
    def has_p(self) -> bool:
        """Not by the criterion of the FDA, which is a bound on a scaled difference."""
        return self.regulator != "FDA"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        Raises
        ------
        TrialError
            When no subject gets the reference in two periods.
        """
        values, arm = measurements(data, self.endpoint)
        logs = logged(values)
        test, reference = (arm == arm_index(data, getattr(self, role), f"analysis.{role}") for role in _ROLES)
        if not (reference.sum(axis=-1) > 1).any():
            raise refuse("analysis.endpoint", self.endpoint, f"a design in which {self.reference!r} is repeated")
        logs = np.where(test | reference, logs, np.nan)
        trial = _Trial(logs, test, reference)
        return outcome(self, data, self._ema(trial) if self.regulator == "EMA" else self._fda(trial))

    def _ema(self, trial: "_Trial") -> dict[str, np.ndarray]:
        beside = periods(trial.logs.shape)
        fit = within(trial.logs, trial.test, beside)
        spread = within(np.where(trial.reference, trial.logs, np.nan), None, beside)
        deviation = np.sqrt(spread.variance)
        cap = np.sqrt(np.log1p(EMA_CAP**2))
        expands = deviation > np.sqrt(np.log1p(EMA_SWITCH**2))
        limits = [
            np.where(expands, sign * EMA_SLOPE * np.minimum(deviation, cap), np.log(plain))
            for sign, plain in ((-1, self.lower), (1, self.upper))
        ]
        found = self._interval(fit)
        inside = (found["lower"] >= limits[0]) & (found["upper"] <= limits[1]) & self._near(fit.estimate)
        return found | {
            **self._tests(fit, limits[0], limits[1]),
            "decision": inside,
            "failed": ~((fit.se > 0) & (spread.df > 0)),
            **_own(spread.variance, limits[1], np.full(len(inside), np.nan)),
        }

    def _fda(self, trial: "_Trial") -> dict[str, np.ndarray]:
        fit, spread = _contrasts(trial)
        found = self._interval(fit)
        variance = spread.variance / 2
        x, y = fit.estimate**2 - fit.se**2, -FDA_THETA * variance
        far_x = np.maximum(np.abs(found["lower"]), np.abs(found["upper"])) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            far_y = y * spread.df / special.chdtri(np.maximum(spread.df, 1), self.alpha)
        bound = x + y + np.sqrt((far_x - x) ** 2 + (far_y - y) ** 2)
        scaled = np.sqrt(variance) >= FDA_SWITCH
        limits = np.log(self.lower), np.log(self.upper)
        plain = (found["lower"] >= limits[0]) & (found["upper"] <= limits[1])
        tests = self._tests(fit, *(np.where(scaled, np.nan, limit) for limit in limits))
        return found | {
            **tests,
            "decision": np.where(scaled, (bound <= 0) & self._near(fit.estimate), plain),
            "failed": ~((fit.se > 0) & (spread.df > 0)),
            **_own(variance, np.where(scaled, np.nan, limits[1]), np.where(scaled, bound, np.nan)),
        }

    def _interval(self, fit: Within) -> dict[str, np.ndarray]:
        half = special.stdtrit(np.maximum(fit.df, 1), 1 - self.alpha) * fit.se
        return {
            "estimate": fit.estimate,
            "se": fit.se,
            "df": fit.df,
            "n": fit.n,
            "lower": fit.estimate - half,
            "upper": fit.estimate + half,
        }

    def _near(self, estimate: np.ndarray) -> np.ndarray:
        """Whether the ratio itself is within the limits."""
        near: np.ndarray = (estimate >= np.log(self.lower)) & (estimate <= np.log(self.upper))
        return near

    def _tests(self, fit: Within, lower: np.ndarray, upper: np.ndarray) -> dict[str, np.ndarray]:
        """Return the smaller of the two one-sided statistics at the limits, and its p."""
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = np.minimum(fit.estimate - lower, upper - fit.estimate) / fit.se
        p = special.stdtr(np.maximum(fit.df, 1), -statistic)
        return {"statistic": statistic, "p": np.where(np.isnan(p) | self._near(fit.estimate), p, 1.0)}

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return ln test - ln reference of each subject."""
        return difference(values, self.test, self.reference, log=True)

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true log ratio lies on or outside the limits of the ratio itself.

        Beyond them a product is never meant to pass. Whether the widened limits of a variable reference hold a smaller
        effect depends on its true variability, which a log ratio does not tell: declare such a null in the scenario.
        """
        return not np.log(self.lower) + tolerance < effect < np.log(self.upper) - tolerance


_ROLES = ("test", "reference")


class _Trial(NamedTuple):
    """Logarithms, NaN where missing or of a third arm, and who gets what, each (replicate, subject, period)."""

    logs: np.ndarray
    test: np.ndarray
    reference: np.ndarray


def _own(variance: np.ndarray, limit: np.ndarray, criterion: np.ndarray) -> dict[str, np.ndarray]:
    return {"cv_within_reference": np.sqrt(np.expm1(variance)), "limit": limit, "criterion": criterion}


def _contrasts(trial: _Trial) -> tuple[Within, Within]:
    """Return test - reference, and the difference of the first two references, of complete subjects by sequence."""
    whole = np.isfinite(trial.logs) | ~(trial.test | trial.reference)
    sequence = (trial.test * 2 + trial.reference) @ 3 ** np.arange(trial.logs.shape[-1])
    means = [_mean(trial.logs, arm) for arm in (trial.test, trial.reference)]
    rank = np.cumsum(trial.reference, axis=-1) * trial.reference
    first, second = (np.where(rank == place, trial.logs, 0.0).sum(axis=-1) for place in (1, 2))
    two = (rank == 2).any(axis=-1) & (np.isfinite(trial.logs) | ~trial.reference).all(axis=-1)
    complete = whole.all(axis=-1) & trial.test.any(axis=-1) & trial.reference.any(axis=-1)
    return _by_sequence(means[0] - means[1], complete, sequence), _by_sequence(first - second, two, sequence)


def _mean(logs: np.ndarray, arm: np.ndarray) -> np.ndarray:
    mean: np.ndarray = np.where(arm, logs, 0.0).sum(axis=-1) / np.maximum(arm.sum(axis=-1), 1)
    return mean


def _by_sequence(values: np.ndarray, used: np.ndarray, sequence: np.ndarray) -> Within:
    """Return the mean of the sequences' means, each as heavy, with the variance pooled within sequences."""
    shape = len(values)
    total, share, squares, kinds, n = (np.zeros(shape) for _ in range(5))
    for kind in np.unique(sequence):
        group = used & (sequence == kind)
        size = group.sum(axis=1)
        there = np.maximum(size, 1)
        mean = np.where(group, values, 0.0).sum(axis=1) / there
        squares += (np.where(group, values - mean[:, None], 0.0) ** 2).sum(axis=1)
        total, share, kinds, n = total + mean, share + (size > 0) / there, kinds + (size > 0), n + size
    df = np.maximum(n - kinds, 0)
    variance = np.where(df > 0, squares / np.maximum(df, 1), np.nan)
    kinds = np.maximum(kinds, 1)
    return Within(total / kinds, np.sqrt(variance * share) / kinds, variance, df, n)
