"""Cox's proportional hazards model: test against control at equal covariates, within strata."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import arm_index, outcome
from trials.analyses.groups import covariates, standardised
from trials.analyses.survival.analysis import AgainstMargin, Group
from trials.analyses.survival.data import survival
from trials.analyses.survival.partial_likelihood import TIES, Likelihood, Ordered, maximise, newton_step, ordered
from trials.analyses.survival.strata import strata
from trials.checks import Choice, Labels, fields, refuse

TESTS = ("wald", "score", "likelihood-ratio")


@dataclass(frozen=True, slots=True)
class Cox(AgainstMargin):
    """Log hazard ratio of test to control, ``time ~ arm + other arms + covariates``, with a baseline hazard a stratum.

    The interval is Wald's whatever the test. ``statistic`` is the normal deviate of the test, with the sign of the
    estimate less the margin; with the alternative ``less`` (a smaller hazard under test) its sign is changed, so that a
    one-sided test always rejects for large values. The true effect is the hazard ratio of the arms over all patients:
    one at equal covariates is farther from 1 when the covariates matter.
    """

    name: str
    endpoint: str
    test: str
    control: str
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""
    others: tuple[str, ...] = ()
    """Further arms in the same model, each with a hazard ratio of its own."""
    ties: str = "efron"
    """How several events at one time are handled: ``efron`` or ``breslow``."""
    method: str = "wald"
    """Which test decides: ``wald``, ``score`` or ``likelihood-ratio``."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log hazard ratio under the null hypothesis: log(1.3) for non-inferiority within 1.3."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", covariates=Labels(), strata=Labels(), others=Labels())
        fields(self, "analysis", ties=Choice(TIES), method=Choice(TESTS))
        if {self.test, self.control} & set(self.others):
            raise refuse("analysis.others", self.others, "arms beside analysis.test and analysis.control")

    @property
    def scale(self) -> str:
        """Estimates are logarithms of hazard ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing a covariate or a stratum are left out and not counted in ``n``.

        Beside the outputs of every analysis: ``events``, ``log_likelihood`` at the maximum, and
        ``log_likelihood_null`` with the arms' coefficients at the margin (that of other arms at 0). A replicate has
        failed when the likelihood has no finite maximum, as when only one arm has events.
        """
        group, columns, stratum = self._columns(data)
        at_margin = np.zeros((len(columns), columns.shape[-1]))
        at_margin[:, 0] = self.margin
        sets = ordered(group.time, group.event, group.used, columns, stratum=stratum, ties=self.ties)
        free = np.ones(columns.shape[-1], bool)
        rest = maximise(sets, at_margin, free & (np.arange(len(free)) > 0))
        full = maximise(sets, np.where(np.arange(len(free)) > 0, rest.beta, 0.0), free)
        variance = inverse_corner(full.there)
        failed = ~(full.found & rest.found & group.both & (variance > 0))
        estimate, se = full.beta[:, 0], np.sqrt(np.where(failed, 1.0, variance))
        z = np.where(failed, 0.0, self._deviate(estimate, se, full.there, rest.there))
        half = special.ndtri(0.5 + self.level / 2) * se
        arms = maximise(sets, at_margin, np.arange(len(free)) > len(self.others)) if self.others else rest
        values = {
            "estimate": estimate,
            "se": se,
            "lower": estimate - half,
            "upper": estimate + half,
            "n": group.n,
            "failed": failed,
            "events": group.events,
            "log_likelihood": full.there.value,
            "log_likelihood_null": arms.there.value,
        }
        return outcome(self, data, values | hypothesis.tested(z, self.alternative, self.alpha))

    def _columns(self, data: xr.Dataset) -> tuple[Group, np.ndarray, np.ndarray]:
        """Return who is analysed, columns (replicate, subject, column) with the arm's first, and strata."""
        group, stratum = self.group(data), strata(data, self.strata)
        time, _, arm = survival(data, self.endpoint)
        others = [(arm == arm_index(data, other, "analysis.others")) & np.isfinite(time) for other in self.others]
        given = covariates(data, self.covariates)
        used = np.logical_or.reduce([group.used, *others]) & np.isfinite(given).all(axis=-1)
        used = used if stratum is None else used & (stratum >= 0)
        group = Group(group.time, group.event, used, group.test & used)
        arms = np.stack([group.test, *others], axis=-1).astype(float)
        columns = np.concatenate([arms, standardised(given, used)], axis=-1)
        return group, columns, np.zeros(used.shape, int) if stratum is None else stratum

    def _deviate(self, estimate: np.ndarray, se: np.ndarray, full: Likelihood, rest: Likelihood) -> np.ndarray:
        """Return the standard normal deviate of the test (replicate,), which grows with the estimate."""
        if self.method == "wald":
            return np.asarray((estimate - self.margin) / se)
        if self.method == "score":
            return np.asarray(rest.gradient[:, 0] * np.sqrt(np.maximum(inverse_corner(rest), 0.0)))
        gained = np.maximum(2 * (full.value - rest.value), 0.0)
        return np.asarray(np.sign(estimate - self.margin) * np.sqrt(gained))

    def effect(self, group: Group) -> np.ndarray:
        """Return the log hazard ratio of the model with the arm alone."""
        sets = alone(group, self.ties)
        return maximise(sets, np.zeros((len(group.time), 1)), np.ones(1, bool)).beta[:, 0]


def alone(group: Group, ties: str) -> Ordered:
    """Return the subjects sorted for a model with the arm alone."""
    columns = group.test[..., None].astype(float)
    return ordered(group.time, group.event, group.used, columns, stratum=np.zeros(group.used.shape, int), ties=ties)


def inverse_corner(at: Likelihood) -> np.ndarray:
    """Return the variance of the first coefficient (replicate,), from the inverse of the information."""
    first = np.zeros(at.gradient.shape)
    first[:, 0] = 1.0
    return newton_step(first, at.information, np.ones(first.shape[1], bool))[:, 0]
