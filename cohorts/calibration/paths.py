"""Approximations of a fit's posterior instead of chains, each with the Pareto k of its importance weights."""

import time
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.approximation import NU, nested_laplace
from cohorts.calibration.chains import Fit, prepare
from cohorts.calibration.quasi_newton import Normal, best
from cohorts.calibration.starts import Surface
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError
from cohorts.specification.quantities import Array
from cohorts.twins.pareto import effective, smoothed

PATHS = 8
"""Searches, each from a place of its own."""
PROPOSED = 500
"""Draws proposed by each of the approximations they end with."""
RUN = 2
"""Number of the places where searches begin; chains begin at others."""


def laplace(fit: Fit, chains: int, draws: int) -> tuple[xr.DataTree, dict[str, Any]]:
    """Nested Laplace approximation (`cohorts.approximate`) of a fit, and how it went."""
    started, busy = time.perf_counter(), time.process_time()
    fit.progress("approximating by Laplace's method", 0, 1)
    tree = nested_laplace(
        fit.population, fit.data, fit.predict, seed=fit.seed, output=fit.output, chains=chains, draws=draws
    )
    fit.progress("approximating by Laplace's method", 1, 1)
    spent = {"seconds_sample": time.perf_counter() - started, "seconds_cpu": time.process_time() - busy}
    about = {str(name): value for name, value in tree.attrs.items()}
    return tree, {**about, "seconds_compile": 0.0, **spent}


def pathfinder(fit: Fit, chains: int, draws: int) -> tuple[xr.DataTree, dict[str, Any]]:
    """Multi-path Pathfinder of a fit, and how it went.

    Draws of the mixture of all paths' approximations, as Student's t, are taken by importance weights against that
    mixture, smoothed by Pareto's distribution; Zhang et al. 2022, arXiv:2108.03782, weight normal draws each by its own
    path's.
    """
    begun, compiling = prepare(fit)
    started, busy = time.perf_counter(), time.process_time()
    ready = begun.beginning(begun.weights, RUN)
    surface = Surface(ready)
    found: list[Normal] = []
    for number in range(PATHS):
        fit.progress("following paths to the mode", number, PATHS)
        rng = generator(fit.seed, Stream.APPROXIMATION, number)
        if (one := best(surface.slope, ready.initial_point_func(number), rng)) is not None:
            found.append(one)
    if not found:
        raise CalibrationError(f"the fit of {fit.population.name}: no path led to an approximation; use method='nuts'")
    chosen, k, ess = _weighted(surface, found, fit.seed, chains * draws)
    fit.progress("following paths to the mode", PATHS, PATHS)
    about = {"approximation": "pathfinder", "pareto_k": k, "ess": ess, "paths": len(found)}
    spent = {"seconds_sample": time.perf_counter() - started, "seconds_cpu": time.process_time() - busy}
    return _tree(ready, chosen, (chains, draws)), {**about, "seconds_compile": compiling, **spent}


def _weighted(surface: Surface, found: list[Normal], seed: int, count: int) -> tuple[Array, float, float]:
    """Places (draw, dimension) taken from the approximations by their weights, the weights' Pareto k and size."""
    rng = generator(seed, Stream.APPROXIMATION, PATHS)
    x = np.concatenate([one.draw_wide(rng, PROPOSED, NU) for one in found])
    density = np.logaddexp.reduce([one.log_density_wide(x, NU) for one in found], axis=0)
    value = np.array([surface.slope(each)[0] for each in x])
    log = np.where(np.isfinite(value), value - density, -np.inf)
    if not np.isfinite(log).any():
        return x[rng.integers(len(x), size=count)], float("inf"), 0.0
    weight, k = smoothed(log[None])
    u = (rng.random() + np.arange(count)) / count
    chosen = np.minimum(np.searchsorted(np.cumsum(weight[0]), u), len(x) - 1)
    return x[rng.permutation(chosen)], float(k[0]), float(effective(weight)[0])


def _tree(ready: Any, places: Array, shape: tuple[int, int]) -> xr.DataTree:
    """Every variable of the model at each place."""
    names, _, shapes = ready.shape_info
    own = {n: tuple(s) for n, s in zip(names, shapes, strict=True) if not n.endswith("__")}
    surface = Surface(ready)
    rows = [surface.expanded(x) for x in places]
    variables = {}
    for name, inner in own.items():
        dims = ready.dims.get(name) or tuple(f"{name}_dim_{j}" for j in range(len(inner)))
        values = np.stack([row[name] for row in rows]).reshape(*shape, *inner)
        variables[name] = (("chain", "draw", *dims), values)
    used = {d for dims, _ in variables.values() for d in dims}
    coords = {d: list(c) for d, c in ready.coords.items() if d in used}
    still = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(shape, dtype=np.bool_))})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords), "sample_stats": still})
