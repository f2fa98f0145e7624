"""A twin's posterior as a tree in ArviZ groups."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from cohorts.drawing.cohort import stamp
from cohorts.specification.quantities import Array
from cohorts.twins.forecasting import measured
from cohorts.twins.varying import Varying

if TYPE_CHECKING:
    from cohorts.twins.patient import Twin
    from cohorts.twins.problem import Index


def posterior_tree(twin: "Twin") -> xr.DataTree:
    """`Twin.posterior` says what this is."""
    particles, rows = _particles(twin), twin.resampled()
    made = {"posterior": _chain(particles.isel(particle=rows).drop_vars("log_weight"))}
    tree = {**made, "particles": particles, **_measurements(twin, rows)}
    found = xr.DataTree.from_dict(tree)
    found.attrs = {
        **stamp(twin.population, twin.group.basis.seed, twin.group.basis.posterior),
        **{k: _plain(v) for k, v in twin.diagnostics.items()},
        "patient": twin.record.name,
        "number": int(twin.group.numbers[0]),
    }
    return found


def _plain(value: Any) -> str | float | int:
    """An attribute as netCDF can hold it."""
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, str | float | int) else json.dumps(value)


def _particles(twin: "Twin") -> xr.Dataset:
    p, problem = twin.group.particles, twin.group.problem
    units = {q.name: q.unit for q in twin.population.parameters}
    data: dict[str, Any] = {}
    for name, v in twin.parameters().items():
        data[name] = (("particle", twin.group.inner)[: v.ndim], v, {"units": units[name]})
    data |= {n: ("particle", p.x[0, :, i], {"units": "1"}) for i, n in enumerate(problem.latent.names)}
    for m in twin.population.mixtures:
        own = problem.classes.covariates(p.draw[0])[m.name]
        data[m.name] = ("particle", own, {"units": "1", "levels": list(m.levels)})
    coords: dict[str, Any] = {}
    for c in twin.population.coefficients:
        if c.free and twin.group.basis.uncertainty == "mixed":
            data[c.name] = (("particle", *c.dims), problem.at(c.name, p.draw[0]), {"units": c.unit})
            coords |= {c.dims[0]: list(c.levels)} if c.levels else {}
    with np.errstate(divide="ignore"):
        data["log_weight"] = ("particle", np.log(p.weight[0]))
    return xr.Dataset(data, coords)


def _chain(group: xr.Dataset) -> xr.Dataset:
    return group.rename(particle="draw").expand_dims(chain=[0]).assign_coords(draw=np.arange(group.sizes["particle"]))


def _measurements(twin: "Twin", rows: "Index") -> dict[str, xr.Dataset]:
    group, record = twin.group, twin.record
    seen = record.observations
    constant = xr.Dataset(
        {
            **{n: ("observation", seen[n]) for n in ("time", "output", "blq", "lloq", "occasion")},
            **{f"dose_{n}": ("dose", v) for n, v in record.doses.items()},
            **{n: ((), v) for n, v in record.covariates.items() if not isinstance(v, Varying)},
            **{n: (f"{n}_change", list(v.values)) for n, v in record.covariates.items() if isinstance(v, Varying)},
        },
        {f"{n}_change": list(v.times) for n, v in record.covariates.items() if isinstance(v, Varying)},
    )
    if not len(seen["time"]):
        return {"constant_data": constant}
    p, problem = group.particles, group.problem
    draw, which = p.draw[0, rows], np.zeros(len(rows), dtype=np.intp)
    values = problem.rows(which, draw, p.x[0, rows])
    likely = np.zeros((len(rows), len(seen["time"])))
    predicted = np.full_like(likely, np.nan)
    for s, found in problem.by_measurement(values, which, draw):
        mine = np.array([problem.latent.population.endpoint(str(o)) == s.endpoint for o in seen["output"]])
        likely[:, mine] = found[:, s.exists[0]]
        true = values[:, s.row[0, s.exists[0], 0]]
        drawn = measured(problem, s.endpoint.output, true[None], draw[None], group.basis.seed, group.numbers)
        predicted[:, mine] = np.nan if drawn is None else drawn[0]
    return {
        "posterior_predictive": _observed(predicted),
        "log_likelihood": _observed(likely),
        "observed_data": xr.Dataset({"dv": ("observation", seen["dv"])}),
        "constant_data": constant,
    }


def _observed(values: Array) -> xr.Dataset:
    return xr.Dataset(
        {"dv": (("chain", "draw", "observation"), values[None])}, {"chain": [0], "draw": np.arange(len(values))}
    )
