"""Simulation-based calibration: fits to data made from the prior must find the prior again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.judgement.refits import Progress, Sampler, refitter, run
from cohorts.judgement.uniformity import chi_square, envelope
from cohorts.specification.population import Population


def simulation_based_calibration(
    population: Population,
    data: Any,
    predict: Callable[[Mapping[str, Any]], Any],
    *,
    n: int = 1000,
    seed: int,
    output: str = "",
    sampler: Sampler | None = None,
    store: Path | str | None = None,
    progress: Progress | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    """Whether the sampler, the priors and the likelihood belong together: ranks of the truth among the draws.

    Each simulation takes population-level values from their priors, people and measurements from them, fits these, and
    notes the rank of each value among draws thinned to be nearly independent. The ranks are uniform if nothing is
    wrong. Talts et al. 2018, arXiv:1804.06788. The data are drawn by numpy and fitted by PyMC, so that the two forms of
    the equations are compared as well. Ranks cannot tell a posterior from its prior: `contraction` shows that the data
    taught something.

    The equations are compiled once. Simulation i is the same whatever `n`: more extend a run.

    Parameters
    ----------
    population
        The specification; its uncertain numbers are the priors.
    data
        The design: data whose people, covariates, doses and times are used and whose values are not.
    predict
        The equations, as `calibrate` takes them.
    n
        Number of simulations.
    seed
        Non-negative whole number.
    output
        Which output the data measure; may be left out when only one has a residual error.
    sampler
        How each data set is fitted.
    store
        File that keeps each simulation as it is done, one line of JSON each; a run that was stopped goes on from it.
    progress
        Called as ``progress(what, done, total)``.
    level
        Probability within the simultaneous envelopes.

    Returns
    -------
    xr.Dataset
        As `uniform_ranks` gives it.

    Raises
    ------
    PopulationError
        If a number is out of range, or the file belongs to other settings.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PopulationError(f"n: got {n!r}, wanted a whole number >= 1")
    fits = refitter(population, data, predict, seed=seed, output=output, truth=None, sampler=sampler or Sampler())
    place = None if store is None else Path(store)
    made = run(fits, n, store=place, progress=progress, about={"kind": "simulation-based calibration"})
    prior = made["truth"].std("simulation", ddof=1)
    contraction = (1.0 - (made["sd"] / prior) ** 2).median("simulation")
    return uniform_ranks(made, made.attrs["draws"] + 1, level=level).assign(contraction=contraction)


def uniform_ranks(made: xr.Dataset, levels: int, *, level: float = 0.95) -> xr.Dataset:
    """Add to ranks what tells whether they are uniform.

    Parameters
    ----------
    made
        Dataset with ``rank`` (simulation, parameter), whole numbers from 0 to `levels` - 1.
    levels
        Number of values a rank can take: draws kept, and one more.
    level
        Probability within the simultaneous envelopes.

    Returns
    -------
    xr.Dataset
        The same with ``p_chi_square`` and ``p_ecdf`` (parameter), ``ecdf`` (parameter, point) and its simultaneous
        ``lower`` and ``upper`` limits as ``ecdf_lower`` and ``ecdf_upper`` (point).
        ``attrs["p_least"]`` is the least of all p values, times their number (Bonferroni), at most 1.
    """
    ranks = made["rank"].transpose("parameter", "simulation").to_numpy().astype(np.int64)
    limits = envelope(ranks.shape[1], levels, level)
    tests = [chi_square(row, levels) for row in ranks]
    p_chi, p_ecdf = np.array([t[1] for t in tests]), np.array([limits.p_value(row) for row in ranks])
    both = np.concatenate([p_chi[np.isfinite(p_chi)], p_ecdf])
    about = {"levels": levels, "level": level, "bins": tests[0][2], "p_least": min(1.0, float(both.min()) * len(both))}
    return (
        made.assign(
            p_chi_square=("parameter", p_chi),
            p_ecdf=("parameter", p_ecdf),
            ecdf=(("parameter", "point"), np.stack([limits.ecdf(row) for row in ranks])),
            ecdf_lower=("point", limits.lower),
            ecdf_upper=("point", limits.upper),
        )
        .assign_coords(point=limits.points)
        .assign_attrs(about)
    )
