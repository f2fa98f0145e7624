"""Average bioequivalence: the analysis of variance of a 2x2 crossover on the log scale and two one-sided tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import Analysis, arm_index, logged, measurements, outcome
from trials.analyses.groups import moments
from trials.checks import Number, fields, label, refuse
from trials.errors import TrialError


@dataclass(frozen=True, slots=True)
class AverageBioequivalence(Analysis):
    """Two one-sided tests of the ratio of geometric means, by the standard analysis of variance of a 2x2 crossover.

    Effects of sequence, subject within sequence, period and treatment on the logarithm of the endpoint; Schuirmann
    (1987), doi:10.1007/BF01068419. With two periods the treatment effect is the mean of the two sequences' mean
    differences between test and reference, and the residual is how those differences vary within a sequence: both are
    taken in closed form.

    Subjects without both periods, or with a value that has no logarithm, drop out and are not counted in ``n``.
    """

    layout: ClassVar[str] = "crossover"

    name: str
    endpoint: str
    test: str
    reference: str
    lower: float = 0.80
    upper: float = 1.25
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, test=label, reference=label)
        fields(self, "analysis", lower=Number(above=0), upper=Number(above=0), alpha=Number(above=0, below=0.5))
        if self.lower >= self.upper:
            raise refuse("analysis.upper", self.upper, f"a limit above analysis.lower ({self.lower:g})")
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
        """Decides for equivalence when both tests reject."""
        return True

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate of a 2x2 crossover; ``cv_within`` is the within-subject coefficient of variation.

        ``statistic`` is the smaller of the two tests' and ``p`` the larger, so that ``p < alpha`` is the decision.
        """
        difference, first = self._differences(data)
        fit = _fit(difference, first)
        failed = ~(fit["se"] > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            margin = np.minimum(fit["estimate"] - np.log(self.lower), np.log(self.upper) - fit["estimate"])
            statistic = margin / fit["se"]
            half = special.stdtrit(np.maximum(fit["df"], 1), 1 - self.alpha) * fit["se"]
            found = {
                "statistic": statistic,
                "p": special.stdtr(np.maximum(fit["df"], 1), -statistic),
                "lower": fit["estimate"] - half,
                "upper": fit["estimate"] + half,
                "cv_within": np.sqrt(np.expm1(fit["variance"])),
            }
        decision = (found["lower"] >= np.log(self.lower)) & (found["upper"] <= np.log(self.upper))
        values = {name: fit[name] for name in ("estimate", "se", "df", "n")} | found
        return outcome(self, data, values | {"decision": decision, "failed": failed})

    def _differences(self, data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return ln test - ln reference (replicate, subject), NaN when incomplete, and who had test first."""
        values, arm = measurements(data, self.endpoint)
        test = arm == arm_index(data, self.test, "analysis.test")
        reference = arm == arm_index(data, self.reference, "analysis.reference")
        if values.shape[-1] != 2 or not ((test[..., 0] & reference[..., 1]) | (reference[..., 0] & test[..., 1])).all():
            raise TrialError(
                f"analysis.endpoint: got {values.shape[-1]} period(s) of {self.endpoint!r}, wanted a 2x2 crossover in "
                f"which every subject gets {self.test!r} in one period and {self.reference!r} in the other"
            )
        logs = logged(values)
        first = test[..., 0]
        return np.where(first, 1.0, -1.0) * (logs[..., 0] - logs[..., 1]), first

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return ln test - ln reference of each subject."""
        difference: np.ndarray = logged(np.asarray(values[self.test])) - logged(np.asarray(values[self.reference]))
        return difference

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true log ratio lies on or outside the limits."""
        return not np.log(self.lower) + tolerance < effect < np.log(self.upper) - tolerance


def _fit(difference: np.ndarray, first: np.ndarray) -> dict[str, np.ndarray]:
    """Return estimate, se, residual variance, df and n (replicate,) from test - reference (replicate, subject).

    Within a sequence the mean of the differences is the treatment effect plus or minus the period effect, so the mean
    of the two sequences' means is free of the period; their variance is twice the residual variance.
    """
    complete = np.isfinite(difference)
    (n_first, mean_first, squares_first), (n_other, mean_other, squares_other) = (
        moments(difference, group) for group in (complete & first, complete & ~first)
    )
    df = np.where((n_first > 0) & (n_other > 0), n_first + n_other - 2, 0)
    variance = np.where(df > 0, (squares_first + squares_other) / np.maximum(df, 1) / 2, np.nan)
    share = 1 / np.maximum(n_first, 1) + 1 / np.maximum(n_other, 1)
    return {
        "estimate": (mean_first + mean_other) / 2,
        "se": np.sqrt(variance * share / 2),
        "variance": variance,
        "df": df,
        "n": n_first + n_other,
    }
