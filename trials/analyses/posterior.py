"""Regression models in PyMC that analyse one replicate after the other: compiled once, sampled by NUTS (nutpie).

PyMC, nutpie and ArviZ are imported by the first model that is made.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pymc as pm

type Array = np.ndarray


class Priors(NamedTuple):
    """Priors of a regression; data of the compiled model, so that they can change without compiling again.

    Attributes
    ----------
    effect, effect_sd, intercept, intercept_sd
        Means and standard deviations of normal priors.
    slope
        Standard deviation of the normal priors, about 0, of the slopes.
    residual, group
        Scales of the half-normal priors of the residual standard deviation (of the t distribution: of its scale) and of
        the standard deviation between groups.
    """

    effect: float
    effect_sd: float
    intercept: float
    intercept_sd: float
    slope: float
    residual: float
    group: float


class Rows(NamedTuple):
    """Data of one replicate: value, whether it counts, arm (0, 1), each (subject,); columns; who is in which group.

    Groups have intercepts of their own, normal about the common one.
    """

    value: Array
    weight: Array
    arm: Array
    columns: Array
    groups: Array


class Sampler(NamedTuple):
    """How a posterior is sampled."""

    chains: int
    tune: int
    draws: int
    target_accept: float


class Sample(NamedTuple):
    """Draws of the scalar parameters (chain, draw, parameter), the effect first, and the number of divergences."""

    draws: Array
    divergences: int


def model(priors: Priors, rows: Rows, *, robust: bool) -> "pm.Model":
    """Make the PyMC model of one number a subject, given arm, columns and groups.

    Residuals are normal or, if robust, of Student's t distribution with degrees of freedom ~ Gamma(2, 0.1). What is
    sampled is in units of its prior, which is where the sampler starts. A subject that does not count has no term in
    the likelihood.
    """
    import pymc as pm

    with pm.Model() as made:
        data = {name: pm.Data(name, values) for name, values in _data(priors, rows).items()}
        prior = Priors(*(data["prior"][index] for index in range(len(priors))))
        effect = pm.Deterministic("effect", prior.effect + prior.effect_sd * pm.Normal("effect_unit"))
        start = pm.Deterministic("intercept", prior.intercept + prior.intercept_sd * pm.Normal("intercept_unit"))
        mean = start + effect * data["arm"]
        if columns := rows.columns.shape[1]:
            slope = pm.Deterministic("slope", prior.slope * pm.Normal("slope_unit", shape=columns))
            mean = mean + data["columns"] @ slope
        if groups := rows.groups.shape[1]:
            spread = pm.Deterministic("between_groups", prior.group * pm.HalfNormal("between_groups_unit"))
            mean = mean + data["groups"] @ (spread * pm.Normal("group_unit", shape=groups))
        scale = pm.Deterministic("residual", prior.residual * pm.HalfNormal("residual_unit"))
        if robust:
            likelihood = pm.StudentT.dist(nu=pm.Gamma("df", 2, 0.1), mu=mean, sigma=scale)
        else:
            likelihood = pm.Normal.dist(mu=mean, sigma=scale)
        pm.Potential("likelihood", (data["weight"] * pm.logp(likelihood, data["value"])).sum())
    return made


def _data(priors: Priors, rows: Rows) -> dict[str, Array]:
    """Return the data a model has: columns and groups only where there are any."""
    each = rows._asdict() | {"prior": np.array(priors)}
    return {name: np.ascontiguousarray(values, float) for name, values in each.items() if 0 not in values.shape}


@lru_cache(maxsize=8)
def _compiled(robust: bool, columns: int, groups: int) -> Any:
    """Compile a model for any priors, and data with so many columns and groups."""
    import nutpie

    rows = Rows(np.zeros(2), np.ones(2), np.array([0, 1]), np.zeros((2, columns)), np.zeros((2, groups)))
    return nutpie.compile_pymc_model(model(Priors(0, 1, 0, 1, 1, 1, 1), rows, robust=robust))


def sample(priors: Priors, rows: Rows, sampler: Sampler, seed: int, *, robust: bool) -> Sample:
    """Sample the posterior of one replicate."""
    import nutpie

    compiled = _compiled(robust, rows.columns.shape[1], rows.groups.shape[1])
    tree = nutpie.sample(
        compiled.with_data(**_data(priors, rows)),
        seed=seed,
        cores=1,
        progress_bar=False,
        save_warmup=False,
        **sampler._asdict(),
    )
    posterior = tree["posterior"]
    names = [str(name) for name in posterior.data_vars if name != "effect" and not str(name).endswith("_unit")]
    scalars = ["effect", *(name for name in names if posterior[name].ndim == 2)]
    draws = [posterior[name].values[..., None] for name in scalars]
    draws += [posterior["slope"].values] if "slope" in posterior else []
    return Sample(np.concatenate(draws, axis=-1), int(tree["sample_stats"]["diverging"].values.sum()))


def diagnosed(draws: Array) -> Mapping[str, Array]:
    """Return ``rhat`` (largest) and ``ess`` (least, bulk or tail) of draws (replicate, chain, draw, parameter).

    Vehtari et al. (2021), doi:10.1214/20-BA1221.
    """
    import arviz as az

    axes = {"chain_axis": 1, "draw_axis": 2}
    bulk, tail = az.ess(draws, method="bulk", **axes), az.ess(draws, method="tail", prob=(0.05, 0.95), **axes)
    return {"rhat": az.rhat(draws, **axes).max(axis=-1), "ess": np.minimum(bulk, tail).min(axis=-1)}
