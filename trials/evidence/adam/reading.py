"""The trial data that the analyses ask for, from analysis data sets alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trials.errors import TrialError
from trials.evidence.adam.covariates import CLOCKS, PLACES, columns
from trials.evidence.adam.making import named
from trials.evidence.adam.selecting import TIMES, Selection, variables
from trials.evidence.table import Table
from trials.protocol import Protocol

type Array = np.ndarray

DIMS = ("replicate", "subject", "period")


def trial_data(protocol: Protocol, tables: Iterable[Table], selections: Iterable[Selection]) -> xr.Dataset:
    """Trial data of one trial: dims (replicate, subject[, period][, visit_<variable>]), one replicate.

    Parameters
    ----------
    protocol
        What was planned: names of the arms, number of periods, levels of covariates.
    tables
        ADSL and the data sets that the selections name.
    selections
        Where the variables are, one each.

    Raises
    ------
    TrialError
        When a data set is not there.
    """
    sets = named(tables)
    adsl = _set(sets, "ADSL").frame
    made: dict[str, tuple[Any, ...]] = {
        "arm": (DIMS, _arms(protocol, adsl)[None], {"names": list(protocol.design.arms)})
    }
    coords: dict[str, Any] = {}
    ends = dict(variables(protocol))
    for one in selections:
        frame = one.of(_set(sets, one.dataset).frame)
        visits = getattr(ends[one.variable], "visits", None)
        planned = None if visits is None else _planned(protocol, ends[one.variable])
        at, shape = _places(protocol, adsl, frame, planned)
        dims = DIMS if planned is None else (*DIMS, f"visit_{one.variable}")
        if planned is not None:
            coords[dims[-1]] = planned
        for name, values in _columns(one, frame):
            made[name] = (dims, _spread(values, at, shape)[None])
    data = xr.Dataset(made, coords={"replicate": [0], **coords})
    data = data.isel(period=0) if protocol.design.periods == 1 else data
    return data.assign({name: (DIMS[:2], *rest) for name, rest in _known(protocol, adsl).items()})


def _set(sets: Mapping[str, Table], name: str) -> Table:
    if name not in sets:
        raise TrialError(f"adam: there is no data set {name}; there are {', '.join(sets)}")
    return sets[name]


def _arms(protocol: Protocol, adsl: pd.DataFrame) -> Array:
    """Index of the arm (subject, period); -1 of who was not randomised."""
    names = [f"TRT{period + 1:02d}PN" for period in range(protocol.design.periods)]
    found: Array = np.nan_to_num(adsl[names].to_numpy(dtype=float) - 1, nan=-1.0).astype(np.int64)
    return found


def _planned(protocol: Protocol, endpoint: Any) -> Array:
    """Planned times of a repeated endpoint."""
    times = np.asarray(protocol.measurement(endpoint.measure).times, dtype=float)
    if endpoint.visits:
        return np.asarray(endpoint.visits, dtype=float)
    return times if endpoint.kind == "value" else times[times > endpoint.baseline]


def _places(
    protocol: Protocol, adsl: pd.DataFrame, frame: pd.DataFrame, planned: Array | None
) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """Where the value of each record belongs, and the shape of the whole."""
    subject = pd.Index(adsl["USUBJID"]).get_indexer(frame["USUBJID"])
    period = frame["APERIOD"].to_numpy(dtype=int) - 1
    shape: tuple[int, ...] = (len(adsl), protocol.design.periods)
    if planned is None:
        return (subject, period), shape
    return (subject, period, np.searchsorted(planned, frame["NRRLT"].to_numpy(dtype=float))), (*shape, len(planned))


def _columns(selection: Selection, frame: pd.DataFrame) -> Iterable[tuple[str, Array]]:
    """Variables of the trial data that a selection holds."""
    yield selection.variable, frame[selection.column].to_numpy(dtype=float)
    if selection.dataset == TIMES:
        yield f"{selection.variable}_event", frame["CNSR"].to_numpy() == 0
    if "ATRISK" in frame and frame["ATRISK"].notna().any():
        yield f"{selection.variable}_exposure", frame["ATRISK"].to_numpy(dtype=float)
    if "BLQFL" in frame and (frame["BLQFL"] == "Y").any():
        yield f"{selection.variable}_below", frame["BLQFL"].to_numpy() == "Y"


def _spread(values: Array, at: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    made = np.zeros(shape, dtype=bool) if values.dtype == bool else np.full(shape, np.nan)
    made[at] = values
    return made


def _known(protocol: Protocol, adsl: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    """What is known of the subjects at entry and of their leaving: (replicate, subject) with attributes."""
    made: dict[str, tuple[Any, ...]] = {}
    for name, (column, levels) in columns(protocol).items():
        if column not in adsl:
            continue
        values = adsl[column].map(list(levels).index) if levels else adsl[column]
        made[name] = (values.to_numpy(dtype=float)[None], {"levels": list(levels)} if levels else {})
    for name, (column, _) in PLACES.items():
        if column in adsl:
            names = sorted(set(adsl[column]))
            made[name] = (adsl[column].map(names.index).to_numpy(dtype=np.int64)[None], {"names": names})
    for name, (column, _) in CLOCKS.items():
        if column in adsl:
            gone = np.inf if name == "discontinued" else np.nan
            made[name] = (adsl[column].fillna(gone).to_numpy(dtype=float)[None], {})
    for number, event in enumerate(protocol.intercurrent, 1):
        if (column := f"ICE{number:02d}TM") in adsl:
            made[f"ice_{event.name}"] = (adsl[column].fillna(np.inf).to_numpy(dtype=float)[None], {})
    return made
