"""Prior sensitivity: how a posterior moves when its prior, or its likelihood, counts a little more or less."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from cohorts.calibration.diagnosis import reported
from cohorts.errors import PopulationError
from cohorts.judgement.seen import group, nature

THRESHOLD = 0.05
"""Sensitivity above which Kallioinen et al. take a posterior to respond."""


def prior_sensitivity(tree: xr.DataTree, *, names: Sequence[str] | None = None) -> xr.Dataset:
    """Sensitivity of each population-level value to power scaling of prior and likelihood.

    Prior and likelihood are raised to the powers 0.99 and 1.01 by importance weights, smoothed by a Pareto tail; the
    sensitivity is the change of the posterior (cumulative Jensen-Shannon distance) per doubling of the power.
    Kallioinen et al. 2023, doi:10.1007/s11222-023-10366-5.

    Parameters
    ----------
    tree
        Result of `calibrate`, with groups log_prior and log_likelihood.
    names
        Which values to report; by default every population-level one.

    Returns
    -------
    xr.Dataset
        By parameter: ``prior`` and ``likelihood`` with Monte Carlo errors ``prior_mcse`` and ``likelihood_mcse`` (each
        chain left out in turn); ``prior_by`` (parameter, component), the sensitivity to the prior of one value alone;
        ``diagnosis``, which is "prior and data conflict" where both are above 0.05, "prior informs more than the data"
        where only the prior's is, and empty otherwise.

    Raises
    ------
    PopulationError
        If a group is missing.
    """
    thinned, densities = _parts(tree, names)
    labels = [str(n) for n in densities["posterior"].to_dataset().data_vars]
    prior, prior_mcse = _with_error(densities, "prior", labels)
    data, data_mcse = _with_error(thinned, "likelihood", labels)
    components = sorted(map(str, densities["log_prior"].to_dataset().data_vars))
    by = np.stack([_sensitivity(densities, "prior", labels, [c]) for c in components], axis=-1)
    return xr.Dataset(
        {
            "prior": ("parameter", prior),
            "prior_mcse": ("parameter", prior_mcse),
            "likelihood": ("parameter", data),
            "likelihood_mcse": ("parameter", data_mcse),
            "prior_by": (("parameter", "component"), by),
            "diagnosis": ("parameter", [_words(p, d) for p, d in zip(prior, data, strict=True)]),
        },
        {"parameter": labels, "component": components},
        attrs={"threshold": THRESHOLD, **nature(tree)},
    )


def _parts(tree: xr.DataTree, names: Sequence[str] | None) -> tuple[xr.DataTree, xr.DataTree]:
    """Two trees whose groups share their draws: of the likelihood, which may be thinned, and of the prior."""
    posterior, prior, likelihood = (group(tree, n) for n in ("posterior", "log_prior", "log_likelihood"))
    for name, part in (("log_prior", prior), ("log_likelihood", likelihood)):
        if not set(part["draw"].values.tolist()) <= set(posterior["draw"].values.tolist()):
            raise PopulationError(f"{name}: has draws that the posterior lacks")
    values = _columns(posterior, names)
    first = xr.DataTree.from_dict({"posterior": values.sel(draw=likelihood["draw"]), "log_likelihood": likelihood})
    whole = xr.DataTree.from_dict({"posterior": values.sel(draw=prior["draw"]), "log_prior": prior})
    return first, whole


def _sensitivity(tree: xr.DataTree, which: str, names: list[str], components: list[str] | None = None) -> np.ndarray:
    import arviz as az

    found = az.psense(tree, var_names=names, group=which, group_var_names=components)
    return np.array([float(found[n]) for n in names])


def _with_error(tree: xr.DataTree, which: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity, and its jackknife error over the chains."""
    whole = _sensitivity(tree, which, names)
    count = tree["posterior"].sizes["chain"]
    if count < 3:
        return whole, np.full(whole.shape, np.nan)
    parts = np.stack([_sensitivity(_without(tree, i), which, names) for i in range(count)])
    return whole, np.sqrt((count - 1) / count * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))


def _without(tree: xr.DataTree, chain: int) -> xr.DataTree:
    keep = [i for i in range(tree["posterior"].sizes["chain"]) if i != chain]
    return xr.DataTree.from_dict({n: part.to_dataset().isel(chain=keep) for n, part in tree.children.items()})


def _columns(posterior: xr.Dataset, names: Sequence[str] | None) -> xr.Dataset:
    """Every value that varies, one variable an element."""
    values = reported(posterior, individuals=False)
    if names is not None:
        if unknown := sorted(set(names) - set(map(str, values.data_vars))):
            raise PopulationError(f"names: got {unknown}, wanted some of {sorted(map(str, values.data_vars))}")
        values = values[list(names)]
    made: dict[str, xr.DataArray] = {}
    for name, column in values.data_vars.items():
        inner = [d for d in column.dims if d not in ("chain", "draw")]
        parts = {f"{name}[{v}]": column.sel({inner[0]: v}, drop=True) for v in column[inner[0]].values} if inner else {}
        made |= parts or {str(name): column}
    return xr.Dataset({k: v for k, v in made.items() if np.ptp(v.values) > 0.0})


def _words(prior: float, likelihood: float) -> str:
    if not prior > THRESHOLD:
        return ""
    return "prior and data conflict" if likelihood > THRESHOLD else "prior informs more than the data"
