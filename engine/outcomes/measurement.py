"""From true trajectories to measured ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from engine.errors import DataError
from engine.outcomes.addresses import BLOCK, MEASUREMENT, blocks
from engine.outcomes.residual import Quantification, Residual

if TYPE_CHECKING:
    import xarray as xr


def measure(
    trajectories: "xr.Dataset", errors: Mapping[str, Residual], *, seed: int, replicate: int = 0,
    limits: Mapping[str, Quantification] | None = None,
) -> "xr.Dataset":  # fmt: skip
    """Measurements of simulated outputs.

    Parameters
    ----------
    trajectories
        As :func:`engine.simulate` gives them: Dataset(subject, time).
    errors
        Residual error of each output that is measured.
    seed, replicate
        Address of the random numbers: a subject's follow from them and its place, whatever stands beside it.
    limits
        Limits of quantification, by output.

    Returns
    -------
    Dataset (subject, time) with each measured output, and for an output with limits ``<output>_flag``: -1 below the
    lower limit, 1 above the upper, 0 within.
    """
    import xarray as xr

    limits = dict(limits or {})
    for field, names in (("errors", errors), ("limits", limits)):
        if unknown := [name for name in names if name not in trajectories]:
            raise DataError(f"{field}: {unknown[0]!r} is no output; there are {', '.join(map(str, trajectories))}")
    if without := [name for name in limits if name not in errors]:
        raise DataError(f"limits: {without[0]!r} has limits and no residual error; it is not measured")
    found: dict[str, xr.DataArray] = {}
    for name, error in errors.items():
        true = trajectories[name].transpose("subject", "time")
        values = _observe(error, true.to_numpy(), seed, (MEASUREMENT, replicate, crc32(name.encode())))
        if name in limits:
            values, flags = limits[name].report(values)
            found[f"{name}_flag"] = xr.DataArray(flags, true.coords, true.dims, attrs={"meaning": "-1 BLQ, 1 ALQ"})
        found[name] = xr.DataArray(values, true.coords, true.dims, attrs=true.attrs)
    return xr.Dataset(found, attrs={**trajectories.attrs, "seed": seed, "replicate": replicate})


def _observe(error: Residual, true: np.ndarray, seed: int, stream: tuple[int, ...]) -> np.ndarray:
    values = np.empty(true.shape)
    for number, part, length in blocks(len(true)):
        whole = np.zeros((BLOCK, *true.shape[1:]))
        whole[:length] = true[part]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*stream, number)))
        values[part] = error.observe(whole, rng)[:length]
    return values
