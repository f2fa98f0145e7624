"""Mixed model for repeated measures: comparison of two arms at a visit from all visits that were seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr

from trials.analyses import hypothesis, repeated
from trials.analyses.base import arm_index, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import covariates, difference
from trials.analyses.mixed.structures import STRUCTURES, Structure
from trials.analyses.roles import check_roles
from trials.checks import Choice, Labels, Number, Optional, fields, flag, label, refuse

METHODS = ("satterthwaite", "kenward_roger", "kenward_roger_linear", "residual")
"""Ways to standard error and degrees of freedom; `trials.analyses.mixed.inference` says what they are.

``kenward_roger`` is the default of the R package mmrm; its correction by second derivatives depends on the parameters
of the covariance, and with those of mmrm the unstructured test of 2 x 12 patients at six visits rejects too often.
``kenward_roger_linear`` is what PROC MIXED does for an unstructured covariance, and does not.
"""

PORTION = 256
"""Replicates fitted together, to bound memory; no number depends on it."""


@dataclass(frozen=True, slots=True)
class Mmrm(Contrast):
    """Test less control at a visit in ``endpoint ~ visit + arm x visit + baseline x visit + covariates``, by REML.

    The measurements of a subject are normal with one covariance for all; visits may be missing in any pattern, and are
    taken to be missing at random. Mallinckrodt et al. (2008), doi:10.1177/009286150804200402. A replicate has failed
    when the restricted likelihood has no maximum that is found, or when the data do not determine the contrast.
    """

    measure: ClassVar[str] = "repeated"

    name: str
    endpoint: str
    test: str
    control: str
    baseline: str | None = None
    """Variable (replicate, subject), with a slope for each visit; None for none."""
    by_visit: tuple[str, ...] = ()
    """Further variables (replicate, subject) with coefficients for each visit; with ``levels``, categorical."""
    covariates: tuple[str, ...] = ()
    """Variables with the same coefficients at all visits."""
    covariance: str = "unstructured"
    df: str = "satterthwaite"
    visit: float | None = None
    """Planned time of the visit compared; None for the last."""
    all_arms: bool = True
    """Whether the other arms are modelled too, so that they inform covariance and covariates."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", baseline=Optional(label))
        fields(self, "analysis", by_visit=Labels(), covariates=Labels(), covariance=Choice(tuple(STRUCTURES)))
        fields(self, "analysis", df=Choice(METHODS), visit=Optional(Number()), all_arms=flag, margin=Number())
        twice = {*self.slopes} & {*self.covariates}
        if twice or self.baseline in self.by_visit:
            raise refuse("analysis.by_visit", self.by_visit, "variables that are neither covariates nor the baseline")

    @property
    def slopes(self) -> tuple[str, ...]:
        """Variables with coefficients for each visit."""
        return ((self.baseline,) if self.baseline is not None else ()) + self.by_visit

    @property
    def scale(self) -> str:
        """Estimates are differences of means."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; a subject without any visit, or without a covariate, is left out and not in ``n``.

        ``deviance`` is minus twice the restricted log-likelihood at its maximum.
        """
        design = self._design(data)
        replicates = range(0, len(design.y), PORTION)
        parts = [self._analysed(design.portion(k)) for k in replicates]
        fit = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject at the visit: `trials.analyses.repeated.at_visit` says of what."""
        return difference(repeated.at_visit(values, self.endpoint, self.visit), self.test, self.control, log=False)

    def _design(self, data: xr.Dataset) -> "_Design":
        """Return measurements, columns of the design and the place of the contrast: the test arm's column is last."""
        seen = repeated.visits(data, self.endpoint)
        test, control = (arm_index(data, name, f"analysis.{role}") for role, name in self._roles())
        others = [index for index in range(len(data["arm"].attrs["names"])) if index not in (test, control)]
        modelled = others if self.all_arms else []
        there = np.isin(seen.arm, [test, control, *modelled])
        arms = np.stack([seen.arm == index for index in (*modelled, test)], axis=2).astype(float)
        slopes = _centred(covariates(data, self.slopes), there)
        one = np.ones((*seen.arm.shape, 1))
        z = np.concatenate([one, slopes, arms], axis=2)
        w = _centred(covariates(data, self.covariates), there)
        y = np.where(there[..., None], seen.values, np.nan)
        return _Design(y, z, w, repeated.place(seen.times, self.visit) * z.shape[2] + z.shape[2] - 1)

    def _roles(self) -> tuple[tuple[str, str], ...]:
        return ("test", self.test), ("control", self.control)

    def _analysed(self, design: "_Design") -> dict[str, np.ndarray]:
        """Return estimate, standard error, degrees of freedom, n and deviance (replicate,)."""
        from trials.analyses.mixed.fit import first_guess, fit, residuals
        from trials.analyses.mixed.inference import contrast
        from trials.analyses.mixed.statistics import summarise

        form: Structure = STRUCTURES[self.covariance]
        rest, start = residuals(design.y, design.by_visit, design.common)
        found = fit(summarise(rest, design.by_visit, design.common), form, first_guess(rest))
        weights = np.zeros(found.keep.shape[1])
        weights[design.place] = 1.0
        result = contrast(found, form, weights, self.df)
        good = found.converged & result.estimable
        return {
            "estimate": result.estimate + start[:, design.place],
            "se": np.where(good, result.se, np.nan),
            "df": np.where(good, result.df, 0.0),
            "n": found.statistics.size.sum(axis=1),
            "deviance": found.deviance,
        }


class _Design(NamedTuple):
    """Measurements (replicate, subject, visit), columns of the design, and the coefficient that is the contrast."""

    y: np.ndarray
    by_visit: np.ndarray
    common: np.ndarray
    place: int

    def portion(self, first: int) -> "_Design":
        """Return some of the replicates."""
        some = slice(first, first + PORTION)
        return _Design(self.y[some], self.by_visit[some], self.common[some], self.place)


def _centred(columns: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return columns (replicate, subject, column) less their means over the subjects used and known."""
    known = used[..., None] & np.isfinite(columns)
    total = np.where(known, columns, 0.0).sum(axis=1, keepdims=True)
    return columns - total / np.maximum(known.sum(axis=1, keepdims=True), 1)
