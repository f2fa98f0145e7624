"""Log-rank test of several arms: whether hazards differ at all, or follow a score such as the dose."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import arm_index, outcome
from trials.analyses.survival.analysis import TimeToEvent
from trials.analyses.survival.data import survival
from trials.analyses.survival.partial_likelihood import FLAT, maximise, ordered
from trials.analyses.survival.ranks import several
from trials.analyses.survival.risk import by_stratum
from trials.analyses.survival.strata import strata
from trials.checks import Choice, Labels, Number, fields, label, refuse

QUESTIONS = ("any", "trend")


@dataclass(frozen=True, slots=True)
class LogRankArms(TimeToEvent):
    """Log-rank test of two or more arms, and the log hazard ratio for one unit of the arms' scores.

    ``any`` is the chi-square test that all hazards are equal, ``trend`` that of a slope over the scores (Tarone 1975,
    doi:10.1093/biomet/62.3.679). The estimate is that of Cox's model with the score as covariate, Breslow's ties.
    """

    name: str
    endpoint: str
    arms: tuple[str, ...]
    scores: tuple[float, ...] = ()
    """One an arm, such as its dose; none given is 0, 1, 2, ..."""
    question: str = "trend"
    """``any`` or ``trend``."""
    alternative: str = "two-sided"
    """Of the trend: ``less`` is a hazard that falls with the score."""
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, arms=Labels(2), scores=_numbers, strata=Labels())
        fields(self, "analysis", question=Choice(QUESTIONS), alternative=Choice(hypothesis.ALTERNATIVES))
        fields(self, "analysis", alpha=Number(above=0, below=0.5))
        if self.scores and (len(self.scores) != len(self.arms) or len(set(self.scores)) < 2):
            raise refuse("analysis.scores", self.scores, f"{len(self.arms)} numbers, one an arm, not all equal")
        if self.question == "any" and self.alternative != "two-sided":
            raise refuse("analysis.alternative", self.alternative, "two-sided: a difference of any kind has no side")

    @property
    def scale(self) -> str:
        """Estimates are logarithms of hazard ratios."""
        return "log-ratio"

    @property
    def level(self) -> float:
        """Level of the interval that agrees with the test."""
        return hypothesis.level(self.alternative, self.alpha)

    @property
    def decides(self) -> bool:
        """Decides for a difference, or for a trend."""
        return True

    @property
    def arms_analysed(self) -> tuple[str, ...]:
        """The arms."""
        return self.arms

    @property
    def weights(self) -> np.ndarray:
        """Scores of the arms (arm,)."""
        return np.asarray(self.scores or range(len(self.arms)), float)

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true log hazard ratio for one unit of the scores is not beyond 0."""
        return hypothesis.null(effect, 0.0, self.alternative, tolerance)

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        ``statistic`` of a trend grows with it, with the other sign for the alternative ``less``; of any difference it
        is the normal deviate with the same ``p``. Beside the outputs of every analysis: ``chi_square`` of any
        difference, with ``df`` degrees of freedom, and ``events``. A replicate has failed when an arm has nobody, or
        no event tells the arms apart.
        """
        time, event, given = survival(data, self.endpoint)
        stratum = strata(data, self.strata)
        arm = np.full(given.shape, -1)
        for index, name in enumerate(self.arms):
            arm[(given == arm_index(data, name, "analysis.arms")) & np.isfinite(time)] = index
        arm = arm if stratum is None else np.where(stratum >= 0, arm, -1)
        tested = self._tested(time, event, arm, stratum)
        estimate, se = self._slope(time, event, arm, stratum)
        half = special.ndtri(0.5 + self.level / 2) * se
        values = {
            "estimate": estimate,
            "se": se,
            "df": len(self.arms) - 1,
            "lower": estimate - half,
            "upper": estimate + half,
            "n": (arm >= 0).sum(axis=1),
            "events": (event & (arm >= 0)).sum(axis=1),
        }
        return outcome(self, data, values | tested)

    def _tested(
        self, time: np.ndarray, event: np.ndarray, arm: np.ndarray, stratum: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Return statistic, p, decision, chi_square and failed (replicate,)."""
        sets = [
            list(by_stratum(time, event, arm >= 0, arm == index, stratum=stratum)) for index in range(len(self.arms))
        ]
        score, covariance = several(sets)
        weights = self.weights - self.weights.mean()
        spread = np.einsum("i,rij,j->r", weights, covariance, weights)
        part = covariance[:, 1:, 1:]
        regular = (np.diagonal(part, axis1=1, axis2=2) > 0).all(axis=1) & (covariance[:, 0, 0] > 0) & (spread > 0)
        safe = np.where(regular[:, None, None], part, np.eye(len(self.arms) - 1))
        solved = np.linalg.solve(safe, score[:, 1:, None])[..., 0]
        chi_square = np.maximum((score[:, 1:] * solved).sum(axis=1), 0.0)
        found = hypothesis.tested(
            (score @ weights) / np.sqrt(np.where(regular, spread, 1.0)), self.alternative, self.alpha
        )
        if self.question == "any":
            p = special.chdtrc(len(self.arms) - 1, chi_square)
            found = {"statistic": -special.ndtri(p), "p": p, "decision": p < self.alpha}
        return found | {"chi_square": chi_square, "failed": ~regular}

    def _slope(
        self, time: np.ndarray, event: np.ndarray, arm: np.ndarray, stratum: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the log hazard ratio for one unit of the scores and its standard error (replicate,)."""
        columns = np.where(arm >= 0, self.weights[arm], 0.0)[..., None]
        size = np.abs(self.weights).max()
        strata_ = np.zeros(arm.shape, int) if stratum is None else stratum
        sets = ordered(time, event, arm >= 0, columns / size, stratum=strata_, ties="breslow")
        found = maximise(sets, np.zeros((len(time), 1)), np.ones(1, bool))
        information = found.there.information[:, 0, 0]
        there = found.found & (information > FLAT)
        se = 1 / np.sqrt(np.where(there, information, np.nan))
        return np.where(there, found.beta[:, 0], np.nan) / size, se / size

    def pooled(self, time: np.ndarray, event: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return the log hazard ratio for one unit of the scores (replicate,)."""
        return self._slope(time, event, arm, None)[0]


def _numbers(where: str, value: object) -> tuple[float, ...]:
    """Return numbers as a tuple."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of numbers")
    return tuple(Number()(where, one) for one in value)
