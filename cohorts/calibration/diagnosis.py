"""Whether a fit may be believed: chains that agree, draws enough, no divergence."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.errors import PopulationError

if TYPE_CHECKING:
    import pandas as pd

HELPERS = ("z_", "k_")
SUFFIXES = ("_unit", "_free")


@dataclass(frozen=True, slots=True)
class Gates:
    """What a fit must pass before it is used.

    Attributes
    ----------
    rhat
        Largest rank-normalised split R-hat. Vehtari et al. 2021, doi:10.1214/20-BA1221.
    ess
        Least effective sample size, of the bulk and of the tails.
    divergences
        Most divergent transitions after tuning.
    ebfmi
        Least energy Bayesian fraction of missing information of a chain. Betancourt 2016, arXiv:1604.00695. Judged
        where the sampler tells its energies.
    pareto_k
        Least Pareto k of the importance weights that is too large; judged, in place of all others, of a posterior that
        is an approximation. Vehtari et al. 2024, J Mach Learn Res 25(72).
    """

    rhat: float = 1.01
    ess: float = 400.0
    divergences: int = 0
    ebfmi: float = 0.3
    pareto_k: float = 0.7

    def failures(self, posterior: xr.DataTree) -> dict[str, str]:
        """Checks that fail, each with a sentence; keys are the names of the gates."""
        if "approximation" in posterior.attrs:
            k = float(posterior.attrs["pareto_k"])
            return {} if k < self.pareto_k else {"pareto_k": f"Pareto k is {k:.2f}, wanted < {self.pareto_k:g}"}
        table = diagnose(posterior, individuals=True)
        found: dict[str, str] = {}
        most = table["rhat"].fillna(np.inf)
        if not most.max() < self.rhat:
            found["rhat"] = f"R-hat of {most.idxmax()} is {most.max():.3f}, wanted < {self.rhat:g}"
        least = table[["ess_bulk", "ess_tail"]].fillna(0.0).min(axis=1)
        if not least.min() > self.ess:
            found["ess"] = f"effective sample size of {least.idxmin()} is {least.min():.0f}, wanted > {self.ess:g}"
        count = divergences(posterior)
        if count > self.divergences:
            found["divergences"] = f"{count} divergent transitions, wanted at most {self.divergences}"
        fraction = ebfmi(posterior)
        if fraction.size and not fraction.min() >= self.ebfmi:
            chain = int(fraction.argmin())
            found["ebfmi"] = f"E-BFMI of chain {chain} is {fraction[chain]:.2f}, wanted >= {self.ebfmi:g}"
        return found


ADVICE = {
    "rhat": "sample longer (tune, draws), or look for two modes, such as absorption and elimination that swap roles",
    "ess": "take more draws",
    "divergences": "raise target_accept towards 1, or narrow the priors the data say little about",
    "pareto_k": "the approximation is too far from the posterior to be corrected: sample it with method='nuts', or, "
    "where it was 'pathfinder' and SDs between people are uncertain, look with method='laplace', which integrates "
    "people out before it approximates the rest",
    "ebfmi": "give standard deviations priors that keep away from 0 and from the very large, or sample non-centred",
}


def divergences(posterior: xr.DataTree) -> int:
    """Number of divergent transitions after tuning."""
    return int(posterior["sample_stats"]["diverging"].sum())


def ebfmi(posterior: xr.DataTree) -> NDArray[np.float64]:
    """Energy Bayesian fraction of missing information, (chain); empty where the sampler tells no energies."""
    stats = posterior["sample_stats"].to_dataset()
    if "energy" not in stats:
        return np.empty(0)
    energy = stats["energy"].transpose("chain", "draw").to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):  # a chain that never moves has no variance
        return np.asarray(np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1))


def diagnose(posterior: xr.DataTree, *, individuals: bool = False) -> "pd.DataFrame":
    """Summary and diagnostics of a calibration, one row a parameter.

    Parameters
    ----------
    posterior
        Result of `calibrate`.
    individuals
        Whether to report each person's parameters too, in rows such as ``cl[3]``.

    Returns
    -------
    pandas.DataFrame
        Index ``parameter``; columns ``mean``, ``sd``, ``median``, ``lower`` and ``upper`` (5 and 95 %), ``mcse_mean``,
        ``rhat``, ``ess_bulk``, ``ess_tail`` and ``units``.
    """
    import pandas as pd

    if "posterior" not in posterior.children:
        raise PopulationError(f"posterior: got groups {sorted(posterior.children)}, wanted one named posterior")
    group = reported(posterior["posterior"].to_dataset(), individuals=individuals)
    with np.errstate(divide="ignore", invalid="ignore"):  # a level without an effect is the same in every draw
        columns = _columns(group)
    rows = [row for name in group.data_vars for row in _rows(str(name), group, columns)]
    return pd.DataFrame(rows).set_index("parameter")


def reported(group: xr.Dataset, *, individuals: bool) -> xr.Dataset:
    """Parameters of a posterior group without the standard normal and unit variables they are made of.

    A person's parameter that is the same in every draw (it is fixed) is left out.
    """
    names = [str(n) for n in group.data_vars if not _made_of(group[n])]
    if not individuals:
        names = [n for n in names if "subject" not in group[n].dims]
    return group[[n for n in names if not bool((group[n] == group[n][0, 0]).all())]]


def _made_of(variable: xr.DataArray) -> bool:
    """Whether a variable is what parameters are made of; by its role where it tells one, else by its name."""
    name = str(variable.name)
    if role := variable.attrs.get("role"):
        return role in {"deviation", "class"}
    return name.startswith(HELPERS) or name.endswith(SUFFIXES)


def _columns(group: xr.Dataset) -> dict[str, xr.Dataset]:
    import arviz as az

    dims = ("chain", "draw")
    return {
        "mean": group.mean(dims),
        "sd": group.std(dims, ddof=1),
        "median": group.median(dims),
        "lower": group.quantile(0.05, dims).drop_vars("quantile"),
        "upper": group.quantile(0.95, dims).drop_vars("quantile"),
        "mcse_mean": az.mcse(group, method="mean"),
        "rhat": az.rhat(group),
        "ess_bulk": az.ess(group, method="bulk"),
        "ess_tail": az.ess(group, method="tail"),
    }


def _rows(name: str, group: xr.Dataset, columns: dict[str, xr.Dataset]) -> list[dict[str, Any]]:
    units = group[name].attrs.get("units", "")
    inner = [d for d in group[name].dims if d not in {"chain", "draw"}]
    if not inner:
        return [{"parameter": name, **{k: float(v[name]) for k, v in columns.items()}, "units": units}]
    labels = list(product(*(group[name].coords[d].values.tolist() for d in inner)))
    flat = {k: v[name].transpose(*inner).values.ravel() for k, v in columns.items()}
    spread = group[name].transpose(*inner, "chain", "draw").values.reshape(len(labels), -1)
    return [
        {
            "parameter": f"{name}[{','.join(map(str, label))}]",
            **{k: float(v[i]) for k, v in flat.items()},
            "units": units,
        }
        for i, label in enumerate(labels)
        if np.ptp(spread[i]) > 0.0
    ]
