"""Which values of the model the likelihood of a data set needs, and what it makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData, individual_data
from cohorts.errors import PopulationError
from cohorts.specification.outcomes import OUTCOMES, Outcome
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual

Value = Any


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Observations of one endpoint.

    Attributes
    ----------
    endpoint
        Residual error or outcome they follow.
    index
        Their places among the observations, (own observation).
    rows
        For each output that the endpoint requests the rows of the request table, each (own observation).
    dv, lloq
        What was observed and its limit of quantification (NaN for none).
    below
        Whether it lies below that limit.
    whole
        Whether the data hold no other endpoint.
    """

    endpoint: Residual | Outcome
    index: NDArray[np.intp]
    rows: tuple[NDArray[np.intp], ...]
    dv: Array
    below: NDArray[np.bool_]
    lloq: Array
    whole: bool

    @property
    def output(self) -> str:
        """What was observed."""
        return self.endpoint.output

    @property
    def dim(self) -> str:
        """Dimension of the observations of this endpoint: ``observation`` where they are all there are."""
        return "observation" if self.whole else f"observation_{self.output}"

    def of(self, predicted: Value) -> tuple[Value, ...]:
        """The model's values for each requested output, (..., own observation), from those of all rows, (..., row)."""
        if self.whole and len(self.rows) == 1:
            return (predicted,)
        return tuple(predicted[..., rows] for rows in self.rows)

    def log_likelihood(self, predicted: Value, values: Mapping[str, Value], xp: Any) -> Value:
        """Log likelihood of each observation, (..., own observation).

        Parameters
        ----------
        predicted
            The model's values at all rows, (..., row).
        values
            Population-level values by name, each broadcastable against `predicted`.
        xp
            Array namespace: `numpy` or `pytensor.tensor`.
        """
        parts = self.of(predicted)
        return self.endpoint.log_likelihood(self.dv, parts, values, xp, below=self.below, lloq=self.lloq)


def requests(population: Population, data: Any, output: str = "") -> xr.Dataset:
    """Rows at which the likelihood of a data set needs the model: what `predict` must return, in this order.

    Parameters
    ----------
    population
        The specification; its residual errors and outcomes say which outputs of the model an observation needs.
    data
        `IndividualData`, or anything with the same two Datasets.
    output
        What the data hold, where they do not say.

    Returns
    -------
    xr.Dataset
        Dim row: ``subject`` (id), ``time``, ``output`` (name of an output of the model), ``occasion`` (from 0),
        and ``record`` (place in the data set, which orders what happens at one time) where the data have it. The first
        rows are those of the observations, one each, in their order; an observation that needs two values, such
        as an event (hazard and cumulative hazard), has its second one in a further row.

    Raises
    ------
    PopulationError
        If data and population do not fit together.
    """
    data = individual_data(data)
    found = measurements(population, data, output)
    total = sum(len(rows) for one in found for rows in one.rows)
    place, name = np.empty(total, dtype=np.intp), np.empty(total, dtype=object)
    for one in found:
        for rows, request in zip(one.rows, one.endpoint.requests, strict=True):
            place[rows], name[rows] = one.index, request
    seen = data.observations
    columns = {"subject": seen["subject"].values[place], "time": seen["time"].values[place].astype(np.float64)}
    columns |= {"output": name.astype("U"), "occasion": data.occasion[place]}
    columns |= {"record": seen["record"].values[place]} if "record" in seen else {}
    return xr.Dataset({key: ("row", values) for key, values in columns.items()})


def measurements(population: Population, data: IndividualData, output: str = "") -> tuple[Measurements, ...]:
    """Observations by endpoint, in the population's order of endpoints; `requests` says what the arguments are.

    Raises
    ------
    PopulationError
        If an observation is of nothing the population knows, or cannot be what it is said to be.
    """
    names = _outputs(population, data, output)
    seen = data.observations
    dv = np.asarray(seen["dv"].values, dtype=np.float64)
    lloq = np.asarray(seen["lloq"].values, dtype=np.float64) if "lloq" in seen else np.full(len(dv), np.nan)
    present = [e for e in population.endpoints if np.any(names == e.output)]
    places = [np.flatnonzero(names == e.output) for e in present]
    start = len(dv)
    made: list[Measurements] = []
    for endpoint, index in zip(present, places, strict=True):
        more = [start + len(index) * i + np.arange(len(index)) for i in range(len(endpoint.requests) - 1)]
        start += len(index) * len(more)
        one = Measurements(
            endpoint, index, (index, *more), dv[index], data.below[index], lloq[index], len(present) == 1
        )
        _check(one)
        made.append(one)
    return tuple(made)


def units_of(data: IndividualData, measured: tuple[Measurements, ...], predict: Any) -> dict[str, str]:
    """Units of ``time`` and of what was observed: as the data say in ``attrs``, or else ``predict.units``."""
    told = {str(n): str(u) for n, u in getattr(predict, "units", {}).items()}
    own = {name: str(data.observations[name].attrs.get("units", "")) for name in ("time", "dv")}
    alone = {one.output: own["dv"] for one in measured if one.whole and own["dv"]}
    return told | alone | ({"time": own["time"]} if own["time"] else {})


def _outputs(population: Population, data: IndividualData, output: str) -> NDArray[Any]:
    count = data.observations.sizes["observation"]
    if "output" not in data.observations:
        return np.full(count, population.endpoint(output).output)
    names = np.asarray(data.observations["output"].values).astype("U")
    known = [e.output for e in population.endpoints]
    if unknown := sorted(set(names.tolist()) - set(known)):
        raise PopulationError(f"data.observations.output: got {unknown}, wanted some of {known}")
    return names


def _check(one: Measurements) -> None:
    endpoint = one.endpoint
    if isinstance(endpoint, Outcome):
        row = OUTCOMES[endpoint.kind]
        if one.below.any():
            raise PopulationError(f"data.observations.blq: {endpoint.output} is {endpoint.kind}, which has no limit")
        if not (allowed := row.allowed(one.dv)).all():
            first = int(np.flatnonzero(~allowed)[0])
            place = int(one.index[first])
            got = one.dv[first]
            raise PopulationError(f"data.observations.dv: got {got:g} at observation {place}, wanted {row.wanted}")
        return
    if one.below.any() and not endpoint.blq:
        raise PopulationError(
            f"residual.{endpoint.output}.blq: missing; {int(one.below.sum())} of {len(one.dv)} measurements lie below "
            f"the limit of quantification, wanted M1, M3 or M4"
        )
    positive = endpoint.log or endpoint.blq == "M4"
    if positive and (wrong := ~one.below & (one.dv <= 0.0)).any():
        first = int(np.flatnonzero(wrong)[0])
        raise PopulationError(
            f"data.observations.dv: got {one.dv[first]:g} at observation {int(one.index[first])}, wanted a number > 0 "
            f"for {endpoint.kind} errors{' with M4' if endpoint.blq == 'M4' else ''}"
        )
