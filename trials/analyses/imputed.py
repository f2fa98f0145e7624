"""Comparison of two arms at a visit by analysis of covariance of multiply imputed data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr

from trials.analyses import hypothesis, repeated
from trials.analyses.base import arm_index, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import covariates, difference, standardised
from trials.analyses.roles import check_roles
from trials.checks import Choice, Labels, Number, Optional, Whole, fields, flag, label, refuse
from trials.imputation.completed import Completed, complete, tipping_point
from trials.imputation.posterior import Draws, Incomplete, augmented, determined, is_monotone, monotone
from trials.imputation.strategies import STRATEGIES, impute
from trials.streams import Stream, generator

METHODS = ("data_augmentation", "monotone")
"""Ways to draw the parameters of the imputation model."""

PORTION = 64
"""Replicates imputed together, to bound memory; no number depends on it."""


@dataclass(frozen=True, slots=True)
class Imputed(Contrast):
    """Test less control in ``endpoint at the visit ~ arm + baseline + covariates``, missing values imputed many times.

    All visits, baseline, covariates and arms make the imputation model, multivariate normal with one covariance
    (`trials.imputation.posterior`). `strategy` says what is assumed of subjects of other arms than the control after
    they were last seen (`trials.imputation.strategies`); ``delta`` is added to what is imputed in the test arm. The
    data sets are analysed and pooled by Rubin's rules (`trials.imputation.rubin`). A replicate has failed when the
    subjects seen at every visit do not determine the imputation model.
    """

    measure: ClassVar[str] = "repeated"

    name: str
    endpoint: str
    test: str
    control: str
    baseline: str | None = None
    """Variable (replicate, subject) that is a covariate; None for none."""
    covariates: tuple[str, ...] = ()
    """Further variables (replicate, subject); one with ``attrs["levels"]`` is categorical."""
    strategy: str = "missing_at_random"
    imputations: int = 20
    method: str = "data_augmentation"
    burn_in: int = 100
    """Steps of data augmentation before the first imputation."""
    thinning: int = 10
    """Steps of data augmentation from one imputation to the next."""
    seed: int = 1
    """Of the imputation, whose numbers are addressed by it and the replicate."""
    delta: float = 0.0
    """Added to what is imputed in the test arm, in units of the endpoint."""
    tipping: bool = False
    """Whether to find the delta, against the alternative, from which on there is no decision: ``tipping_point``."""
    visit: float | None = None
    """Planned time of the visit compared; None for the last."""
    all_arms: bool = False
    """Whether the other arms are modelled too, with the same slopes and residual variance."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", baseline=Optional(label))
        fields(self, "analysis", covariates=Labels(), strategy=Choice(tuple(STRATEGIES)), method=Choice(METHODS))
        fields(self, "analysis", imputations=Whole(2), burn_in=Whole(0), thinning=Whole(1), seed=Whole(0))
        fields(self, "analysis", delta=Number(), tipping=flag, visit=Optional(Number()), all_arms=flag, margin=Number())
        if self.baseline in self.covariates:
            raise refuse("analysis.covariates", self.covariates, "variables other than the baseline")

    @property
    def scale(self) -> str:
        """Estimates are differences of means."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; ``n`` counts all subjects with covariates, imputed or not.

        ``missing_information`` is the share of the variance due to missing values; ``tipping_point`` infinite when no
        delta tips the decision, NaN when there is no decision to tip.
        """
        model = self._model(data)
        numbers = data["replicate"].values if "replicate" in data.coords else np.arange(data.sizes["replicate"])
        parts = [self._analysed(model.portion(k), numbers[k : k + PORTION]) for k in range(0, len(numbers), PORTION)]
        fit = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject at the visit: `trials.analyses.repeated.at_visit` says of what."""
        return difference(repeated.at_visit(values, self.endpoint, self.visit), self.test, self.control, log=False)

    def _model(self, data: xr.Dataset) -> "_Model":
        """Return the model of the data; its columns end with the arms other than the control, the test arm last."""
        seen = repeated.visits(data, self.endpoint)
        test, control = (arm_index(data, getattr(self, role), f"analysis.{role}") for role in ("test", "control"))
        others = [index for index in range(len(data["arm"].attrs["names"])) if index not in (test, control)]
        modelled = [*(others if self.all_arms else []), test]
        names = (*(() if self.baseline is None else (self.baseline,)), *self.covariates)
        columns = covariates(data, names)
        used = np.isin(seen.arm, [control, *modelled]) & np.isfinite(columns).all(axis=2)
        arms = np.stack([seen.arm == index for index in modelled], axis=2) & used[..., None]
        z = np.concatenate([used[..., None], standardised(columns, used), arms], axis=2).astype(float)
        return _Model(Incomplete(seen.values, z, used), repeated.place(seen.times, self.visit), len(modelled))

    def _draws(self, data: Incomplete, numbers: np.ndarray) -> Draws:
        """Return draws of the parameters of the imputation model."""
        generators = [generator(self.seed, Stream.IMPUTATION, int(number), 0) for number in numbers]
        if self.method == "data_augmentation":
            size = {"draws": self.imputations, "burn_in": self.burn_in, "thinning": self.thinning}
            return augmented(data, generators, **size)
        if not is_monotone(data).all():
            first = int(numbers[np.argmin(is_monotone(data))])
            wanted = f"'data_augmentation': in replicate {first} a subject was seen after a missed visit"
            raise refuse("analysis.method", self.method, wanted)
        return monotone(data, generators, draws=self.imputations)

    def _analysed(self, model: "_Model", numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return estimate, standard error, degrees of freedom and n (replicate,)."""
        size = (model.data.used.shape[1], self.imputations)
        noise = [generator(self.seed, Stream.IMPUTATION, int(k), 1).standard_normal(size) for k in numbers]
        draws, good = self._draws(model.data, numbers), determined(model.data)
        under = (self.strategy, model.arms)
        values = impute(model.data, draws, model.visit, under, np.stack(noise))
        lost = model.data.used & ~np.isfinite(model.data.y[..., model.visit]) & (model.data.z[..., -1] > 0)
        sets = complete(values, model.data, lost, good)
        pooled = sets.pooled(self.delta)
        found = {
            "estimate": pooled.estimate,
            "se": np.where(good, pooled.se, np.nan),
            "df": np.where(good, pooled.df, 0.0),
            "n": np.where(good, model.data.used.sum(axis=1), 0),
            "missing_information": pooled.missing,
        }
        return found | ({"tipping_point": self._tipping(sets)} if self.tipping else {})

    def _tipping(self, sets: Completed) -> np.ndarray:
        """Return the first delta from ``delta`` on, against the alternative, without a decision (replicate,)."""

        def decided(delta: np.ndarray) -> np.ndarray:
            pooled = sets.pooled(delta)._asdict()
            found = hypothesis.student(pooled, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
            both: np.ndarray = found["decision"] & ~found["failed"]
            return both

        start = sets.pooled(self.delta)
        way = {"greater": -1.0, "less": 1.0}.get(self.alternative, -np.sign(start.estimate - self.margin))
        return tipping_point(decided, np.broadcast_to(self.delta, start.se.shape), way * start.se)


class _Model(NamedTuple):
    """Data of the imputation model, the number of the visit compared, and how many last columns are arms."""

    data: Incomplete
    visit: int
    arms: int

    def portion(self, first: int) -> "_Model":
        """Return some of the replicates."""
        some = slice(first, first + PORTION)
        return _Model(Incomplete(*(array[some] for array in self.data)), self.visit, self.arms)
