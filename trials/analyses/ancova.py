"""Comparison of two arm means adjusted for covariates by ordinary least squares."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import Comparison, compared, covariates, difference, standardised
from trials.analyses.roles import check_roles
from trials.checks import Labels, Number, fields, flag

TOLERANCE = 1e-10
"""Relative size below which a direction of the covariates, or of the arm beside them, counts as absent."""


@dataclass(frozen=True, slots=True)
class Ancova(Contrast):
    """Test less control at equal covariates: ``endpoint ~ arm + covariates`` with one residual variance."""

    name: str
    endpoint: str
    test: str
    control: str
    covariates: tuple[str, ...]
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis, on the scale of the estimate."""
    alpha: float = 0.05
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means."""
    all_arms: bool = False
    """Whether the other arms are modelled too, with the same slopes and residual variance."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", covariates=Labels(1))
        fields(self, "analysis", margin=Number(), log=flag, all_arms=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing the endpoint or a covariate are left out and not in ``n``."""
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=self.log)
        names = tuple(data["arm"].attrs["names"]) if not self.all_arms else (self.test, self.control)
        others = other_arms(data, self.endpoint, names, log=self.log)
        fit = adjusted(groups, covariates(data, self.covariates), others)
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject: randomisation makes the adjusted and the plain effect one."""
        return difference(values, self.test, self.control, log=self.log)


def other_arms(data: xr.Dataset, endpoint: str, apart: tuple[str, ...], *, log: bool) -> np.ndarray:
    """Return who is in each of the other arms with a value of the endpoint: (replicate, subject, arm)."""
    names = [name for name in data["arm"].attrs["names"] if name not in apart]
    each = [compared(data, endpoint, test=name, control=name, log=log).test for name in names]
    shape = (data.sizes["replicate"], data.sizes["subject"], 0)
    return np.stack(each, axis=-1) if each else np.zeros(shape, bool)


def adjusted(groups: Comparison, columns: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """Return adjusted difference, standard error, degrees of freedom and n (replicate,) of two groups.

    Parameters
    ----------
    groups
        Who is compared.
    columns
        Covariates (replicate, subject, column); a subject with a NaN among them is left out.
    others
        Who is in further arms of the model (replicate, subject, arm).
    """
    used = groups.test | groups.control | others.any(axis=-1)
    columns = np.concatenate([columns, others.astype(float)], axis=-1)
    return slope(groups.values, groups.test.astype(float), columns, used)


def slope(values: np.ndarray, column: np.ndarray, columns: np.ndarray, used: np.ndarray) -> dict[str, np.ndarray]:
    """Return the slope of one column beside others by least squares: estimate, se, df and n (replicate,).

    The column and the values (replicate, subject) are each freed of intercept and other columns, then one is regressed
    on the other (Frisch & Waugh 1933, doi:10.2307/1907330). Columns that do not vary in a replicate cost no degree of
    freedom there.
    """
    used = used & np.isfinite(columns).all(axis=-1)
    both = np.stack([np.where(used, column, 0.0), np.where(used, values, 0.0)], axis=-1)
    design = np.concatenate([used[..., None].astype(float), standardised(columns, used)], axis=-1)
    gram = np.einsum("rsi,rsj->rij", design, design)
    beside = np.linalg.matrix_rank(gram, hermitian=True, rtol=TOLERANCE)
    slopes = np.linalg.pinv(gram, hermitian=True, rtol=TOLERANCE) @ np.einsum("rsi,rsj->rij", design, both)
    rest, value = np.moveaxis(both - design @ slopes, -1, 0)
    n, square = used.sum(axis=1), (rest * rest).sum(axis=1)
    there = square > TOLERANCE * np.maximum((both[..., 0] ** 2).sum(axis=1), TOLERANCE)
    estimate = (rest * value).sum(axis=1) / np.where(there, square, 1.0)
    df = np.where(there, n - beside - 1, 0)
    left = ((value - estimate[:, None] * rest) ** 2).sum(axis=1)
    return {
        "estimate": estimate,
        "se": np.sqrt(left / np.maximum(df, 1) / np.where(there, square, 1.0)),
        "df": np.maximum(df, 0),
        "n": n,
    }
