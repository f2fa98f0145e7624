"""Expected log predictive density of new observations or new people, and models compared by it."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.judgement.seen import group, nature

BY = {"observation": "log_likelihood", "subject": "log_likelihood_subject"}
"""What may be left out, and the group that says how likely each one is."""


def loo(tree: xr.DataTree, *, by: str = "observation", output: str = "") -> xr.Dataset:
    """Leave-one-out cross-validation by Pareto-smoothed importance sampling.

    Leaving out an observation asks for another measurement of a known person; leaving out a subject asks for a new
    person, with the random effects integrated out (`integrate_subjects` adds that likelihood). The two answer different
    questions: Merkle, Furr & Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0. PSIS: Vehtari, Gelman & Gabry 2017,
    doi:10.1007/s11222-016-9696-4; Vehtari et al. 2024, JMLR 25(72).

    Parameters
    ----------
    tree
        Result of `calibrate`, for subjects after `integrate_subjects`.
    by
        ``observation`` or ``subject``.
    output
        Which output; by default all of them, those of each output after those of the one before.

    Returns
    -------
    xr.Dataset
        Dim `by`: ``elpd`` (contribution of each to the expected log predictive density) and ``pareto_k``. Attributes
        ``elpd``, ``se``, ``p`` (effective number of parameters), ``good_k`` (k above it makes an estimate unreliable)
        and ``unreliable`` (how many are).

    Raises
    ------
    PopulationError
        If the group is missing, naming what adds it.
    """
    found = _psis(_likelihoods(tree, by, output))
    k = np.asarray(found.pareto_k, dtype=np.float64)
    made = xr.Dataset({"elpd": (by, np.asarray(found.elpd_i, dtype=np.float64)), "pareto_k": (by, k)})
    about = {"method": "PSIS-LOO", "good_k": float(found.good_k), "unreliable": int((k > found.good_k).sum())}
    return _named(made, tree, by).assign_attrs(
        about | {"by": by, "elpd": float(found.elpd), "se": float(found.se), "p": float(found.p)}
    )


def waic(tree: xr.DataTree, *, by: str = "observation", output: str = "") -> xr.Dataset:
    """Widely applicable information criterion, on the scale of `loo`, which is to be preferred.

    elpd = sum of log mean likelihood less the variance of the log likelihood: Watanabe 2010, JMLR 11:3571; Vehtari,
    Gelman & Gabry 2017, doi:10.1007/s11222-016-9696-4. Where that variance is above 0.4 the estimate is unreliable.

    Parameters
    ----------
    tree, by, output
        As `loo` has them.

    Returns
    -------
    xr.Dataset
        Dim `by`: ``elpd`` and ``variance``. Attributes ``elpd``, ``se``, ``p``, ``unreliable``.

    Raises
    ------
    PopulationError
        As `loo` does.
    """
    values = _likelihoods(tree, by, output)["log_likelihood"]["y"].to_numpy()
    flat = values.reshape(-1, values.shape[-1])
    density = np.logaddexp.reduce(flat, axis=0) - np.log(len(flat))
    variance = flat.var(axis=0, ddof=1)
    each = density - variance
    made = xr.Dataset({"elpd": (by, each), "variance": (by, variance)})
    about = {"method": "WAIC", "unreliable": int((variance > 0.4).sum()), "by": by}
    numbers = {"elpd": each.sum(), "se": np.sqrt(len(each) * each.var(ddof=1)), "p": variance.sum()}
    return _named(made, tree, by).assign_attrs(about | {k: float(v) for k, v in numbers.items()})


def compare(trees: Mapping[str, xr.DataTree], *, by: str = "subject", output: str = "") -> xr.Dataset:
    """Models of the same data, best first, by leave-one-out cross-validation.

    Parameters
    ----------
    trees
        Results of `calibrate` by name; all of the same data.
    by, output
        As `loo` has them.

    Returns
    -------
    xr.Dataset
        Dim model, best first: ``elpd``, ``se``, ``p``, ``difference`` from the best and ``difference_se``,
        ``weight`` (stacking: Yao et al. 2018, doi:10.1214/17-BA1091) and ``unreliable``, the number of large k.

    Raises
    ------
    PopulationError
        If there are fewer than two models, or the data differ.
    """
    import arviz as az

    if len(trees) < 2:
        raise PopulationError(f"compare: got {sorted(trees)}, wanted two models or more")
    digests = {name: str(tree.attrs.get("data_digest")) for name, tree in trees.items()}
    if len(set(digests.values())) > 1:
        raise PopulationError(f"compare: got fits of different data, {digests}")
    each = {name: _psis(_likelihoods(tree, by, output)) for name, tree in trees.items()}
    weights = az.compare(each, method="stacking", round_to="none")["weight"].to_dict()
    order = sorted(each, key=lambda name: -float(each[name].elpd))
    own = {name: np.asarray(found.elpd_i, dtype=np.float64) for name, found in each.items()}
    apart = [own[name] - own[order[0]] for name in order]
    columns = {
        "elpd": [float(each[name].elpd) for name in order],
        "se": [float(each[name].se) for name in order],
        "p": [float(each[name].p) for name in order],
        "difference": [float(a.sum()) for a in apart],
        "difference_se": [float(np.sqrt(len(a) * a.var(ddof=1))) for a in apart],
        "weight": [float(weights[name]) for name in order],
        "unreliable": [int((np.asarray(each[n].pareto_k) > each[n].good_k).sum()) for n in order],
    }
    return xr.Dataset({k: ("model", v) for k, v in columns.items()}, {"model": order}, {"by": by})


def _psis(tree: xr.DataTree) -> Any:
    """What ArviZ finds, without its warning of large k: the result counts them."""
    import arviz as az

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        return az.loo(tree, pointwise=True, var_name="y")


def _likelihoods(tree: xr.DataTree, by: str, output: str) -> xr.DataTree:
    """Tree with one group log_likelihood, its variable ``y`` (chain, draw, `by`)."""
    if by not in BY:
        raise PopulationError(f"by: got {by!r}, wanted one of {sorted(BY)}")
    if by == "subject" and BY[by] not in tree.children:
        raise PopulationError("posterior: has no group log_likelihood_subject; add it by integrate_subjects")
    values = group(tree, BY[by])
    if output and output not in values:
        raise PopulationError(f"output: got {output!r}, wanted one of {sorted(map(str, values.data_vars))}")
    columns = [values[output]] if output else [values[n] for n in values.data_vars]
    flat = [c.transpose("chain", "draw", ...).drop_vars(str(c.dims[-1]), errors="ignore") for c in columns]
    dims = [{str(c.dims[-1]): by} for c in columns]
    both = [c.transpose("chain", "draw", ...).rename(d) for c, d in zip(flat, dims, strict=True)]
    y = xr.concat(both, by).rename("y")
    return xr.DataTree.from_dict({"posterior": y.isel({by: 0}).to_dataset(), "log_likelihood": y.to_dataset()})


def _named(made: xr.Dataset, tree: xr.DataTree, by: str) -> xr.Dataset:
    made = made.assign_attrs(nature(tree))
    return made.assign_coords(subject=group(tree, "constant_data")["subject"].values) if by == "subject" else made
