"""When patients are measured, and what is recorded of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.streams import Stream, item, normals, uniforms

if TYPE_CHECKING:
    from collections.abc import Callable

    from trials.protocol import Measurement, Protocol

type Array = np.ndarray

BLQ: dict[str, Callable[[float], float]] = {
    "zero": lambda _: 0.0,
    "half": lambda lloq: lloq / 2,
    "missing": lambda _: np.nan,
    "flagged": lambda lloq: lloq,
}
"""What is recorded below the limit of quantification: Beal 2001, doi:10.1023/A:1012299115260; `flagged` is for an
analysis that knows censoring (his M3), which also needs to be told where."""


def noise(protocol: Protocol, seed: int, replicates: range, subjects: int, periods: int) -> dict[str, Array]:
    """Draw the standard normal numbers behind each measurement: (replicate, subject, period, time)."""
    return {
        measurement.name: normals(
            seed, Stream.RESIDUAL, replicates, subjects, each=(periods, len(measurement.times)), item=index
        )
        for index, measurement in enumerate(protocol.measurements)
    }


def follow_up(protocol: Protocol) -> float:
    """Time from the first dose of a period to its last planned measurement or the end of what is followed."""
    ends = [watch.until for endpoint in protocol.endpoints for watch in endpoint.watches]
    return max(*ends, *(measurement.times[-1] for measurement in protocol.measurements), 0.0)


def visit_times(measurement: Measurement, patients: xr.Dataset, shape: tuple[int, ...]) -> Array:
    """When a measurement is taken: as planned (time,), or within its window (replicate, subject, period, time).

    A visit falls anywhere in its window with equal probability; one planned for the start takes place then.
    """
    planned = np.asarray(measurement.times)
    if measurement.window == (0.0, 0.0):
        return planned
    before, after = measurement.window
    jitter = _uniform(measurement, "window", patients, shape) * (before + after) - before
    return planned + np.where(planned > 0, jitter, 0.0)


def missed(measurement: Measurement, patients: xr.Dataset, shape: tuple[int, ...]) -> Array | None:
    """Where a visit is missed (replicate, subject, period, time); None when none is. The start is no visit to miss."""
    if measurement.missed == 0:
        return None
    away: Array = _uniform(measurement, "missed", patients, shape) < measurement.missed
    return away & (np.asarray(measurement.times) > 0)


def _uniform(measurement: Measurement, what: str, patients: xr.Dataset, shape: tuple[int, ...]) -> Array:
    return uniforms(
        int(patients.attrs["seed"]),
        Stream.VISITS,
        patients["replicate"].values.tolist(),
        shape[1],
        each=(shape[2], len(measurement.times)),
        item=item(f"{what} {measurement.name}"),
    )


def with_error(
    protocol: Protocol, patients: xr.Dataset, measurement: Measurement, true: Array, *, noise: Array, replicate: Array
) -> Array:
    """Measured values of true ones, with the residual error of their replicate (its place among the patients')."""
    residual = measurement.error or protocol.population.residual(measurement.output)
    if measurement.error is None:
        sigmas = {name: patients[name].values[replicate] for name in residual.names.values()}
    else:
        sigmas = dict(zip(residual.names.values(), (q.values[0] for q in residual.sigmas), strict=True))
    seen: Array = residual.observe(true, sigmas, noise, np)
    return seen


def recorded(measurement: Measurement, seen: Array) -> Array:
    """What is recorded of measured values: those below the limit of quantification by the rule for them."""
    if measurement.lloq is None:
        return seen
    return np.where(seen < measurement.lloq, BLQ[measurement.blq](measurement.lloq), seen)


def measure(
    protocol: Protocol, patients: xr.Dataset, measurement: Measurement, true: Array, *, noise: Array, replicate: Array
) -> tuple[Array, Array | None]:
    """What is recorded of true values, and where it is flagged as below the limit of quantification."""
    seen = with_error(protocol, patients, measurement, true, noise=noise, replicate=replicate)
    flags = measurement.lloq is not None and measurement.blq == "flagged"
    return recorded(measurement, seen), seen < measurement.lloq if flags else None
