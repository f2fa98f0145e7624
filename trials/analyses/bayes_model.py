"""Bayesian regression of one number a subject by a full PyMC model, sampled anew for each replicate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import Analysis, outcome
from trials.analyses.groups import Comparison, compared, covariates, difference, standardised
from trials.analyses.posterior import Priors, Rows, Sampler, diagnosed, sample
from trials.checks import Choice, Labels, Number, Optional, Whole, fields, flag, label, refuse
from trials.streams import Stream, generator


@dataclass(frozen=True, slots=True)
class BayesModel(Analysis):
    """Posterior of test less control in ``endpoint ~ arm + covariates + (1 | site)``, and a decision when it is clear.

    Residuals are normal or, with ``robust``, Student's t. Slopes are of standardised covariates; those, the intercept
    and the effect have normal priors, standard deviations half-normal ones (`trials.analyses.posterior`). A replicate
    has failed when an arm is empty or its sampling does not pass the gate: ``rhat``, ``ess``, ``divergences``, which
    are outputs too.
    """

    name: str
    endpoint: str
    test: str
    control: str
    effect_sd: float
    """Standard deviation of the prior of test less control."""
    intercept_mean: float
    """Mean of the prior of the control's mean at average covariates."""
    intercept_sd: float
    residual_sd: float
    """Scale of the half-normal prior of the residual standard deviation."""
    threshold: float
    """Decide when the probability of a difference beyond the margin exceeds this."""
    effect_mean: float = 0.0
    covariates: tuple[str, ...] = ()
    slope_sd: float = 10.0
    """Standard deviation of the prior of the slopes of standardised covariates."""
    site: str | None = None
    """Variable (replicate, subject) of groups with intercepts of their own, a site say; None for none."""
    site_sd: float = 5.0
    """Scale of the half-normal prior of the standard deviation between groups."""
    robust: bool = False
    alternative: str = "greater"
    margin: float = 0.0
    level: float = 0.95
    """Of the equal-tailed credible interval."""
    chains: int = 2
    tune: int = 300
    draws: int = 500
    """Draws a chain."""
    target_accept: float = 0.9
    rhat: float = 1.05
    """Largest R-hat of a parameter that passes."""
    ess: float = 100.0
    """Least effective sample size, bulk or tail, of a parameter that passes."""
    divergences: int = 0
    """Most divergences that pass."""
    seed: int = 1
    """Of the sampler, whose numbers are addressed by it and the replicate."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        share, positive = Number(above=0, below=1), Number(above=0)
        fields(self, "analysis", name=label, endpoint=label, test=label, control=label, covariates=Labels())
        fields(self, "analysis", effect_mean=Number(), effect_sd=positive, intercept_mean=Number(), margin=Number())
        fields(self, "analysis", intercept_sd=positive, residual_sd=positive, slope_sd=positive, site_sd=positive)
        fields(self, "analysis", threshold=share, level=share, target_accept=share, site=Optional(label), robust=flag)
        fields(self, "analysis", chains=Whole(2), tune=Whole(50), draws=Whole(50), divergences=Whole(0), seed=Whole(0))
        fields(self, "analysis", alternative=Choice(hypothesis.ALTERNATIVES[1:]), rhat=Number(above=1), ess=Number())
        if self.test == self.control:
            raise refuse("analysis.control", self.control, "another arm than analysis.test")

    @property
    def scale(self) -> str:
        """Estimates are differences of means."""
        return "difference"

    @property
    def decides(self) -> bool:
        """Decides for a difference beyond the margin."""
        return True

    @property
    def has_p(self) -> bool:
        """It decides by a posterior probability."""
        return False

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate: ``estimate`` and ``se`` are mean and standard deviation of the posterior.

        Subjects missing the endpoint, a covariate or the group are left out and not counted in ``n``.
        """
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=False)
        columns, place = covariates(data, self.covariates), self._groups(data)
        used = (groups.test | groups.control) & np.isfinite(columns).all(axis=2) & np.isfinite(place).all(axis=2)
        full = (groups.test & used).any(axis=1) & (groups.control & used).any(axis=1)
        numbers = data["replicate"].values if "replicate" in data.coords else np.arange(len(used))
        rows = _Rows(groups, standardised(columns, used), np.where(used[..., None], place, 0.0), used)
        sampled = [rows.sample(self, row, int(numbers[row])) for row in np.flatnonzero(full).tolist()]
        found = self._outputs(np.flatnonzero(full), sampled, len(used))
        diagnostics = {name: ("replicate", found.pop(name)) for name in ("rhat", "ess", "divergences")}
        return outcome(self, data, {**found, "n": used.sum(axis=1)}).assign(diagnostics)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=False)

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true difference is not beyond the margin."""
        return hypothesis.null(effect, self.margin, self.alternative, tolerance)

    @property
    def priors(self) -> Priors:
        """Priors of the model."""
        return Priors(
            effect=self.effect_mean,
            effect_sd=self.effect_sd,
            intercept=self.intercept_mean,
            intercept_sd=self.intercept_sd,
            slope=self.slope_sd,
            residual=self.residual_sd,
            group=self.site_sd,
        )

    def _groups(self, data: xr.Dataset) -> np.ndarray:
        """Return which group each subject is in (replicate, subject, group), NaN where that is not known."""
        if self.site is None:
            return np.zeros((data.sizes["replicate"], data.sizes["subject"], 0))
        if self.site not in data.variables or set(data[self.site].dims) != {"replicate", "subject"}:
            raise refuse("analysis.site", self.site, f"a variable (replicate, subject) of {', '.join(map(str, data))}")
        variable = data[self.site].transpose("replicate", "subject")
        names = variable.attrs.get("names", variable.attrs.get("levels"))
        if names is None:
            raise refuse("analysis.site", self.site, "a categorical variable: one with names or levels")
        values = variable.values.astype(float)[..., None]
        return np.where(np.isnan(values), np.nan, values == np.arange(len(names)))

    def _outputs(self, rows: np.ndarray, sampled: list[tuple[np.ndarray, int]], count: int) -> dict[str, np.ndarray]:
        """Return the outputs (replicate,) of sampled replicates; the others have failed."""
        blank = {name: np.full(count, np.nan) for name in ("estimate", "se", "probability", "lower", "upper")}
        blank |= {name: np.full(count, np.nan) for name in ("rhat", "ess", "divergences")}
        if sampled:
            draws = np.stack([each for each, _ in sampled])
            effect = draws[..., 0].reshape(len(draws), -1)
            beyond = (effect - self.margin) * (1 if self.alternative == "greater" else -1) > 0
            tails = np.quantile(effect, [0.5 - self.level / 2, 0.5 + self.level / 2], axis=1)
            parts = {"estimate": effect.mean(axis=1), "se": effect.std(axis=1, ddof=1), "lower": tails[0]}
            parts |= {"upper": tails[1], "probability": beyond.mean(axis=1), **diagnosed(draws)}
            for name, values in (parts | {"divergences": np.array([number for _, number in sampled])}).items():
                blank[name][rows] = values
        passed = (blank["rhat"] <= self.rhat) & (blank["ess"] >= self.ess) & (blank["divergences"] <= self.divergences)
        return blank | {"decision": blank["probability"] > self.threshold, "failed": ~passed}


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Data of all replicates: who is compared, columns and groups (replicate, subject, :), who counts."""

    compared: Comparison
    columns: np.ndarray
    groups: np.ndarray
    used: np.ndarray

    def sample(self, analysis: BayesModel, row: int, number: int) -> tuple[np.ndarray, int]:
        """Sample the posterior of a replicate of some number."""
        rows = Rows(
            value=np.where(self.used[row], self.compared.values[row], analysis.intercept_mean),
            weight=self.used[row],
            arm=self.compared.test[row],
            columns=self.columns[row],
            groups=self.groups[row],
        )
        seed = int(generator(analysis.seed, Stream.SAMPLER, number).integers(2**31))
        how = Sampler(analysis.chains, analysis.tune, analysis.draws, analysis.target_accept)
        return sample(analysis.priors, rows, how, seed, robust=analysis.robust)
