"""Predictive checks: a number read off the data, beside the same number read off replicates of the data."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.judgement.seen import replicates, seen
from cohorts.specification.quantities import Array

Statistic = Callable[[Array], Array]
"""Measurements (replicate, observation) to one number a replicate."""

STATISTICS: dict[str, Statistic] = {
    "mean": lambda y: y.mean(axis=-1),
    "SD": lambda y: y.std(axis=-1, ddof=1),
    "median": lambda y: np.median(y, axis=-1),
    "minimum": lambda y: y.min(axis=-1),
    "maximum": lambda y: y.max(axis=-1),
    "5 %": lambda y: np.quantile(y, 0.05, axis=-1),
    "95 %": lambda y: np.quantile(y, 0.95, axis=-1),
}


def ppc(
    tree: xr.DataTree,
    *,
    group: str = "predictive_check",
    statistics: Mapping[str, Statistic] | None = None,
    output: str = "",
) -> xr.Dataset:
    """Prior or posterior predictive check: test statistics of the data among those of replicated data.

    Gelman, Meng & Stern 1996, Statistica Sinica 6:733-807. The p value is the share of replicates with a larger
    statistic, ties by half; near 0 or 1 the model does not make such data. It is not uniform under the model when the
    same data taught it.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    group
        ``predictive_check`` (new people), ``posterior_predictive`` (the same people) or ``prior_predictive``.
    statistics
        Name to function; by default those of `STATISTICS`.
    output
        Which output; may be left out when there is only one.

    Returns
    -------
    xr.Dataset
        Dims statistic and replicate: ``observed`` (statistic), ``replicated`` (statistic, replicate), ``p`` and its
        Monte Carlo error ``p_mcse`` (statistic).

    Raises
    ------
    PopulationError
        If the group is missing, or a statistic is not one number a replicate.
    """
    data = seen(tree, output)
    drawn = replicates(tree, group, data)
    asked = dict(STATISTICS if statistics is None else statistics)
    again = {name: _of(name, f, drawn) for name, f in asked.items()}
    own = np.array([_of(name, f, data.dv[None])[0] for name, f in asked.items()])
    table = np.stack(list(again.values()))
    p = (table > own[:, None]).mean(axis=1) + 0.5 * (table == own[:, None]).mean(axis=1)
    made = xr.Dataset(
        {
            "observed": ("statistic", own),
            "replicated": (("statistic", "replicate"), table),
            "p": ("statistic", p),
            "p_mcse": ("statistic", np.sqrt(p * (1.0 - p) / table.shape[1])),
        },
        {"statistic": list(asked)},
    )
    made.attrs = {**data.about, "group": group}
    return made


def _of(name: str, statistic: Statistic, values: Array) -> Array:
    found = np.asarray(statistic(values), dtype=np.float64)
    if found.shape != values.shape[:1]:
        raise PopulationError(f"statistics.{name}: got shape {found.shape}, wanted {values.shape[:1]}, one a replicate")
    return found
