"""Patients and profiles of the first replicates, kept for people to look at.

They are simulated again at their addresses, so they are the very ones the outcomes came from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.block import Work, people, simulate, trial_data

if TYPE_CHECKING:
    from trials.protocol import Protocol, Trial

DIMS = ("replicate", "subject", "period")


def trajectories(trial: Trial, replicates: int, seed: int, posterior: xr.DataTree | None) -> xr.Dataset:
    """What happened in the first replicates of every scenario.

    Returns
    -------
    Dataset (scenario, replicate, subject, period, time_<measurement>): ``true_<measurement>``,
    ``observed_<measurement>``, with windows ``taken_<measurement>``, when; ``endpoint_<endpoint>``; times
    ``ice_<event>``, ``discontinued`` and ``enrolled``; ``event_<endpoint>``, whether a time was that of the event; and
    ``arm``, an index into ``attrs["arms"]``.
    """
    parts = [_course(scenario.protocol, replicates, seed, posterior) for scenario in trial.scenarios]
    names = xr.DataArray([scenario.name for scenario in trial.scenarios], dims="scenario", name="scenario")
    return xr.concat(parts, names, combine_attrs="override")


def cohort(trial: Trial, replicates: int, seed: int, posterior: xr.DataTree | None) -> xr.Dataset:
    """Virtual patients of the first replicates of the base protocol: Dataset (replicate, subject[, occasion])."""
    return people(Work("", trial.protocol, range(replicates), seed, posterior))


def write(data: xr.Dataset, path: Path) -> None:
    """Write a Dataset as a Zarr store."""
    for name in list(data.variables):
        data[name].encoding.clear()
    data.to_zarr(path, mode="w", consolidated=False, zarr_format=3)


def _course(protocol: Protocol, replicates: int, seed: int, posterior: xr.DataTree | None) -> xr.Dataset:
    work = Work("", protocol, range(replicates), seed, posterior)
    course = simulate(work)
    data = trial_data(work, course)
    made: dict[str, tuple[object, ...]] = {"arm": (DIMS, course.arms, {"arms": list(protocol.design.arms)})}
    coords: dict[str, object] = {"replicate": np.arange(replicates), "subject": np.arange(protocol.design.n)}
    for measurement in protocol.measurements:
        clock, unit = f"time_{measurement.name}", _unit(protocol, measurement.output)
        coords[clock] = (clock, list(measurement.times), {"units": protocol.model.time})
        made[f"true_{measurement.name}"] = ((*DIMS, clock), course.true[measurement.name], {"units": unit})
        made[f"observed_{measurement.name}"] = ((*DIMS, clock), course.observed[measurement.name], {"units": unit})
        if course.times[measurement.name].ndim > 1:
            about = {"units": protocol.model.time}
            made[f"taken_{measurement.name}"] = ((*DIMS, clock), course.times[measurement.name], about)
    for endpoint in protocol.endpoints:
        found = (
            data[endpoint.name]
            if "period" in data[endpoint.name].dims
            else data[endpoint.name].expand_dims("period", 2)
        )
        made[f"endpoint_{endpoint.name}"] = (found.dims, found.values, {"units": endpoint.unit})
        if f"{endpoint.name}_event" in data:
            event = data[f"{endpoint.name}_event"]
            event = event if "period" in event.dims else event.expand_dims("period", 2)
            made[f"event_{endpoint.name}"] = (DIMS, event.values)
        visits = [str(dim) for dim in found.dims if dim not in DIMS]
        coords |= {dim: (dim, found[dim].values, {"units": protocol.model.time}) for dim in visits}
    calendar = ("discontinued", "enrolled")
    happened = [str(name) for name in data.data_vars if str(name).startswith("ice_") or name in calendar]
    made |= {name: (DIMS[:2], data[name].values, data[name].attrs) for name in happened}
    return xr.Dataset(made, coords=coords)


def _unit(protocol: Protocol, name: str) -> str:
    return next(output.unit for output in protocol.model.outputs if output.name == name)
