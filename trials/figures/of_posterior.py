"""Pictures of a calibration: from a posterior to the numbers the drawings take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

import cohorts
from trials.figures.picture import Picture, clock, labelled
from trials.figures.posterior import Draws, chains, densities
from trials.figures.predictive_check import predictive_check
from trials.report_tables import unit_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from engine import Model
    from trials.protocol import Result


def posterior_pictures(result: Result) -> Iterator[Picture]:
    """Predictive check, posterior over prior, and the chains, of every parameter the fit reports."""
    posterior = result.posterior
    assert posterior is not None, "the caller has looked"
    yield _check(result, posterior)
    others = {row.name: row.estimate for row in reversed(result.trial.calibration.references)}
    parameters = reported(posterior, result.trial.protocol.model, others)
    caption = "What the data taught about the population: posterior and prior of every fitted number."
    yield Picture("posterior", "Posterior over prior", caption, densities(parameters))
    caption = "Chains should be indistinguishable; their ranks then lie about 1, mostly within the grey 90 % band."
    yield Picture("chains", "Sampling diagnostics", caption, chains(parameters))


def reported(posterior: xr.DataTree, model: Model, others: Mapping[str, float]) -> list[Draws]:
    """Draws of every population-level number the fit reports, with its prior draws and the estimate of `others`."""
    table = cohorts.diagnose(posterior)
    rows = [(str(name), unit_of(str(name), str(unit), model)) for name, unit in table["units"].items()]
    return [
        Draws(name, unit, _values(posterior, "posterior", name), _values(posterior, "prior", name), others.get(name))
        for name, unit in rows
    ]


def _values(posterior: xr.DataTree, group: str, label: str) -> NDArray[np.float64]:
    """Draws (chain, draw) of a number, which may be one level of several: ``beta_cl_cyp2c9[*1/*3]``."""
    name, _, level = label.removesuffix("]").partition("[")
    found = posterior[group][name].transpose("chain", "draw", ...)
    if level:
        dim = found.dims[-1]
        found = found.isel({dim: found[dim].values.astype(str).tolist().index(level)})
    return np.asarray(found.values, dtype=np.float64)


def _check(result: Result, posterior: xr.DataTree) -> Picture:
    bands = cohorts.predictive_check(posterior)
    output = next(o for o in result.trial.protocol.model.outputs if o.name == bands.attrs["output"])
    model = result.trial.protocol.model
    time, unit = clock(np.asarray(posterior["constant_data"]["time"].values), model.time)
    factor = 1 / 24 if unit != model.time else 1.0
    figure = predictive_check(
        bands.assign_coords(time=bands["time"] * factor),
        time,
        np.asarray(posterior["observed_data"][output.name].values),
        labels=(f"time ({unit})", labelled(output.name, output.unit)),
    )
    inside = f"{100 * bands.attrs['inside']:.0f} % of the observed percentiles lie within their bands."
    caption = f"Real data over what the fitted population predicts for new people of the same design. {inside}"
    return Picture("predictive_check", "Observed data over the predictive check", caption, figure)
