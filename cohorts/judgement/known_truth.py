"""Parameter recovery: how well a design finds values that are known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import individual_data
from cohorts.calibration.people import told_apart
from cohorts.errors import PopulationError
from cohorts.judgement.refits import Progress, Sampler, refitter, run
from cohorts.specification.population import Population


def parameter_recovery(
    population: Population,
    data: Any,
    predict: Callable[[Mapping[str, Any]], Any],
    *,
    truth: Mapping[str, float | Mapping[str, float]] | None = None,
    n: int = 100,
    seed: int,
    output: str = "",
    sampler: Sampler | None = None,
    store: Path | str | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Bias, precision and coverage of the fit of a population to data made from known values.

    Parameters
    ----------
    population
        The specification; its uncertain numbers are the priors of the fits.
    data
        The design: data whose people, covariates, doses and times are used and whose values are not.
    predict
        The equations, as `calibrate` takes them.
    truth
        Population-level values by name, of a value with levels by level; those left out are at their prior medians.
    n, seed, output, sampler, store, progress
        As `simulation_based_calibration` has them.

    Returns
    -------
    xr.Dataset
        By simulation and parameter: ``truth``, ``mean``, ``sd``, ``lower``, ``upper`` (5 and 95 %), ``rank``. By
        parameter, each with its Monte Carlo error (``<name>_mcse``): ``bias`` of the posterior mean, ``relative_bias``
        (of truths other than 0), ``rmse``, ``empirical_sd`` of the mean, ``model_sd`` (mean of the posterior SD) and
        ``coverage`` of the 90 % interval. Formulas: Morris, White & Crowther 2019, doi:10.1002/sim.8086, table 6.

    Raises
    ------
    PopulationError
        If a number is out of range or a name unknown.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise PopulationError(f"n: got {n!r}, wanted a whole number >= 2")
    told = told_apart(population, individual_data(data)) is not None
    known = _as_posterior(population, truth or {}, told)
    fits = refitter(population, data, predict, seed=seed, output=output, truth=known, sampler=sampler or Sampler())
    place = None if store is None else Path(store)
    about = {"kind": "parameter recovery", "truth": {k: np.ravel(v.values).tolist() for k, v in _values(known).items()}}
    return performance(run(fits, n, store=place, progress=progress, about=about))


def _values(tree: xr.DataTree) -> dict[str, xr.DataArray]:
    return {str(k): v for k, v in tree["posterior"].to_dataset().data_vars.items()}


def _as_posterior(population: Population, truth: Mapping[str, float | Mapping[str, float]], told: bool) -> xr.DataTree:
    """The known values as the one draw of a posterior, from which people are then drawn; `told` is of occasions."""
    top = {c.name: c for c in population.coefficients if c.free and (c.fitted or told)}
    if unknown := sorted(set(truth) - set(top)):
        raise PopulationError(f"truth: got {unknown}, wanted some of {sorted(top)}")
    columns: dict[str, Any] = {}
    for name, c in top.items():
        given, middle = truth.get(name), [q.centre for q in c.quantities]
        if c.levels:
            chosen = given if isinstance(given, Mapping) else {}
            if set(chosen) - set(c.levels) or not (given is None or isinstance(given, Mapping)):
                raise PopulationError(f"truth.{name}: got {given!r}, wanted numbers by level, of {list(c.levels)}")
            row = [chosen.get(level, m) for level, m in zip(c.levels, middle, strict=True)]
            columns[name] = (("chain", "draw", *c.dims), np.array([[row]], dtype=np.float64))
        else:
            value = middle[0] if given is None else given
            if isinstance(value, Mapping):
                raise PopulationError(f"truth.{name}: got {value!r}, wanted a number")
            columns[name] = (("chain", "draw"), np.array([[float(value)]]))
    levels = {c.dims[0]: list(c.levels) for c in top.values() if c.levels}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(columns, {"chain": [0], "draw": [0], **levels})})
    digest = population.digest_of_fit(occasions=told)
    tree.attrs = {"fitted_digest": digest, "population": population.name, "occasions": int(told)}
    return tree


def performance(made: xr.Dataset) -> xr.Dataset:
    """Add bias, precision and coverage with their Monte Carlo errors to simulations of known truth."""
    over, n = "simulation", made.sizes["simulation"]
    error = made["mean"] - made["truth"]
    truth = made["truth"].isel(simulation=0)
    bias, squared = error.mean(over), error**2
    spread, rmse = made["mean"].std(over, ddof=1), np.sqrt(squared.mean(over))
    covered = ((made["truth"] >= made["lower"]) & (made["truth"] <= made["upper"])).mean(over)
    scale = abs(truth).where(truth != 0.0)
    found = {
        "bias": (bias, spread / np.sqrt(n)),
        "relative_bias": (bias / scale, spread / np.sqrt(n) / scale),
        "rmse": (rmse, squared.std(over, ddof=1) / np.sqrt(n) / (2.0 * rmse)),
        "empirical_sd": (spread, spread / np.sqrt(2.0 * (n - 1))),
        "model_sd": (made["sd"].mean(over), made["sd"].std(over, ddof=1) / np.sqrt(n)),
        "coverage": (covered, np.sqrt(covered * (1.0 - covered) / n)),
    }
    return made.assign({k: v for k, (v, _) in found.items()} | {f"{k}_mcse": e for k, (_, e) in found.items()})
