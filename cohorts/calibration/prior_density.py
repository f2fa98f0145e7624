"""Log density of the priors at the draws of a posterior: what scaling the power of a prior needs."""

from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import IndividualData
from cohorts.specification.population import Population


def log_prior(population: Population, data: IndividualData, posterior: xr.Dataset) -> xr.Dataset:
    """Log prior density of every uncertain population-level value at each draw, on the value's own scale.

    The random effects are the model, not its prior, and are left out, as Kallioinen et al. 2023
    (doi:10.1007/s11222-023-10366-5) advise for hierarchical models.

    Parameters
    ----------
    population, data
        What was fitted to what.
    posterior
        The posterior group.

    Returns
    -------
    xr.Dataset
        Dims (chain, draw): one variable a value, named as it is; a value with several levels has their sum.
    """
    import pymc as pm

    made: dict[str, Any] = {}
    top = {c.name for c in population.coefficients}
    for variable in population.build(data).free_RVs:
        drawn = str(variable.name)
        name = drawn.removesuffix("_unit").removesuffix("_free")
        if name in top and drawn in posterior:
            draws = np.asarray(posterior[drawn].transpose("chain", "draw", ...).values, dtype=np.float64)
            flat = draws.reshape(-1, *draws.shape[2:])
            density = np.asarray(pm.logp(variable, flat).eval(mode="FAST_COMPILE"))
            made[name] = (("chain", "draw"), density.reshape(*draws.shape[:2], -1).sum(axis=-1))
    return xr.Dataset(made, {"chain": posterior["chain"], "draw": posterior["draw"]})
