"""What a calibration holds about its data, read out of the tree: the one place that knows where things stand."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array

STRATA = 6
"""Most values a covariate may have to be a stratum each; with more it is cut at its median."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Observations of one output, as a tree has them; ``dv`` of a censored one may be NaN.

    Attributes
    ----------
    output, unit, clock
        Name of the output, its unit and that of time (empty where the tree has none).
    rows
        Where its observations stand among all of the tree.
    time, dv
        Of each observation.
    position
        Position of its person among the subjects.
    lloq
        Lower limit of quantification of each observation; minus infinity where there is none.
    censored
        Which observations were below it.
    nature
        What `nature` says of the tree.
    """

    output: str
    unit: str
    clock: str
    rows: NDArray[np.intp]
    time: Array
    dv: Array
    position: NDArray[np.intp]
    lloq: Array
    censored: NDArray[np.bool_]
    nature: Mapping[str, str]

    @property
    def axis(self) -> str:
        """Name with its unit, for the axis of a picture."""
        return labelled(self.output, self.unit)

    @property
    def about(self) -> dict[str, str]:
        """What a result says of itself: ``output``, the names of its axes, ``axis`` and ``time_axis``, and `nature`."""
        return {"output": self.output, "axis": self.axis, "time_axis": labelled("time", self.clock), **self.nature}


def nature(tree: xr.DataTree) -> dict[str, str]:
    """``approximation`` of a posterior that is one, by its method; what is made of it is approximate too."""
    return {"approximation": str(tree.attrs["approximation"])} if "approximation" in tree.attrs else {}


def labelled(name: str, unit: str) -> str:
    """Name with its unit, as axes show it: ``concentration (mg/L)``."""
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit not in ("", "1", "dimensionless") else words


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """One group of a tree.

    Raises
    ------
    PopulationError
        Naming the groups there are.
    """
    if name not in tree.children:
        raise PopulationError(f"posterior: got groups {sorted(tree.children)}, wanted one named {name}")
    return tree[name].to_dataset()


def seen(tree: xr.DataTree, output: str = "", lloq: float | None = None) -> Seen:
    """Observations of one output of a calibration.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    output
        Name of the output; may be left out when there is only one.
    lloq
        Lower limit of quantification, where the data do not carry one.

    Raises
    ------
    PopulationError
        If a group is missing or there is no such output.
    """
    observed, constant = group(tree, "observed_data"), group(tree, "constant_data")
    known = sorted(map(str, observed.data_vars))
    if not output and len(known) > 1:
        raise PopulationError(f"output: the data have {known}; say which one")
    name = output or known[0]
    if name not in known:
        raise PopulationError(f"output: got {name!r}, wanted one of {known}")
    values = observed[name]
    dim = str(values.dims[0])
    whole = dim == "observation"
    rows = np.asarray(np.arange(values.sizes[dim]) if whole else values[dim].to_numpy(), dtype=np.intp)
    constant = constant[[n for n in ("time", "position", "below", "lloq") if n in constant]].isel(observation=rows)
    time, position = (constant[v].to_numpy() for v in ("time", "position"))
    dv = np.asarray(values.to_numpy(), dtype=np.float64)
    limit, censored = _limits(constant, dv, lloq)
    unit, clock = str(values.attrs.get("units", "")), str(constant["time"].attrs.get("units", ""))
    return Seen(name, unit, clock, rows, time, dv, np.asarray(position, dtype=np.intp), limit, censored, nature(tree))


def _limits(constant: xr.Dataset, dv: Array, lloq: float | None) -> tuple[Array, NDArray[np.bool_]]:
    if lloq is not None:
        limit = np.full(dv.shape, float(lloq))
        return limit, dv < limit
    if "lloq" not in constant:
        return np.full(dv.shape, -np.inf), np.zeros(dv.shape, dtype=bool)
    limit = np.asarray(constant["lloq"].to_numpy(), dtype=np.float64)
    limit = np.where(np.isfinite(limit), limit, -np.inf)
    return limit, constant["below"].to_numpy().astype(bool) if "below" in constant else dv < limit


def replicates(tree: xr.DataTree, name: str, data: Seen) -> Array:
    """Simulated measurements (replicate, observation) of one output, from a predictive group."""
    values = group(tree, name)
    if data.output not in values:
        raise PopulationError(
            f"{name}: has {sorted(map(str, values.data_vars))}, wanted {data.output!r}; times of an event are "
            "simulated by event_check and compared by kaplan_meier_check"
        )
    drawn = values[data.output].to_numpy()
    return np.asarray(drawn.reshape(-1, drawn.shape[-1]), dtype=np.float64)


def strata(tree: xr.DataTree, name: str | None, data: Seen) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Stratum of each observation, and the names of the strata.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    name
        A covariate of the group constant_data (of people or of observations); None for one stratum. One with more
        than `STRATA` values is cut at its median over people.
    data
        The observations.
    """
    if name is None:
        return np.zeros(len(data.rows), dtype=np.intp), ("all",)
    constant = group(tree, "constant_data")
    if name not in constant:
        raise PopulationError(f"stratify: got {name!r}, wanted one of {sorted(map(str, constant.data_vars))}")
    column = constant[name]
    values = column.to_numpy()
    codes, names = _classes(name, values, column.attrs)
    return (codes[data.position] if "subject" in column.dims else codes[data.rows]), names


def _classes(name: str, values: NDArray[Any], attrs: dict[Hashable, Any]) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    shown = name.replace("_", " ")
    levels = attrs.get("levels")
    distinct, codes = np.unique(values, return_inverse=True)
    if levels is not None:
        known = list(np.atleast_1d(levels))
        return codes.astype(np.intp), tuple(f"{shown}: {known[int(v)]}" for v in distinct)
    if len(distinct) <= STRATA:
        return codes.astype(np.intp), tuple(f"{shown}: {v:g}" if _is_number(v) else f"{shown}: {v}" for v in distinct)
    middle = float(np.median(values))
    unit = f" {attrs['units']}" if attrs.get("units", "1") != "1" else ""
    return (values > middle).astype(np.intp), (f"{shown} ≤ {middle:.4g}{unit}", f"{shown} > {middle:.4g}{unit}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)
