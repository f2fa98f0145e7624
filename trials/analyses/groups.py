"""Groups of subjects as arrays: who is compared with whom, what with, and adjusted for what."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.analyses.base import arm_index, logged, measurements
from trials.checks import refuse


class Moments(NamedTuple):
    """Size, mean and sum of squares about the mean of a group, each (replicate,)."""

    size: np.ndarray
    mean: np.ndarray
    squares: np.ndarray


def moments(values: np.ndarray, used: np.ndarray) -> Moments:
    """Return the moments over the subjects used, from values and flags (replicate, subject)."""
    size = used.sum(axis=1)
    mean = np.where(used, values, 0.0).sum(axis=1) / np.maximum(size, 1)
    return Moments(size, mean, (np.where(used, values - mean[:, None], 0.0) ** 2).sum(axis=1))


class Comparison(NamedTuple):
    """Values, and who is in the test and the control group, each (replicate, subject); missing ones are in neither."""

    values: np.ndarray
    test: np.ndarray
    control: np.ndarray


def compared(data: xr.Dataset, endpoint: str, *, test: str, control: str, log: bool) -> Comparison:
    """Return two parallel groups of the data; with ``log`` their logarithms, a value without one counting as missing.

    Raises
    ------
    TrialError
        When there is no such arm, or subjects have several periods.
    """
    values, arm = measurements(data, endpoint)
    if values.shape[-1] != 1:
        raise refuse("analysis.endpoint", endpoint, f"one period a subject, not {values.shape[-1]}: a parallel design")
    values, arm = values[..., 0], arm[..., 0]
    values = logged(values) if log else values
    known = np.isfinite(values)
    groups = [known & (arm == arm_index(data, name, f"analysis.{role}")) for role, name in _roles(test, control)]
    return Comparison(np.where(known, values, 0.0), *groups)


def _roles(test: str, control: str) -> tuple[tuple[str, str], ...]:
    return ("test", test), ("control", control)


def covariates(data: xr.Dataset, names: tuple[str, ...]) -> np.ndarray:
    """Return covariate columns (replicate, subject, column), NaN where missing.

    A covariate with ``attrs["levels"]`` holds level numbers and gives one column for each level but the first.

    Raises
    ------
    TrialError
        When a covariate is not in the data as (replicate, subject).
    """
    columns = [column for name in names for column in _columns(data, name)]
    shape = (data.sizes["replicate"], data.sizes["subject"], 0)
    return np.stack(columns, axis=-1) if columns else np.empty(shape)


def _columns(data: xr.Dataset, name: str) -> list[np.ndarray]:
    if name not in data.variables or set(data[name].dims) != {"replicate", "subject"}:
        wanted = f"covariates (replicate, subject); the data have {', '.join(map(str, data.variables))}"
        raise refuse("analysis.covariates", name, wanted)
    values = data[name].transpose("replicate", "subject").values.astype(float)
    levels = data[name].attrs.get("levels")
    if levels is None:
        return [values]
    return [np.where(np.isnan(values), np.nan, values == level) for level in range(1, len(levels))]


def standardised(columns: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return columns (replicate, subject, column) with mean 0 and standard deviation 1 over the subjects used, else 0.

    A column that does not vary within a replicate is 0 there.
    """
    keep = used[..., None]
    size = np.maximum(keep.sum(axis=1, keepdims=True), 1)
    centred = np.where(keep, columns - np.where(keep, columns, 0.0).sum(axis=1, keepdims=True) / size, 0.0)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True) / size)
    scale = np.abs(np.where(keep, columns, 0.0)).max(axis=1, keepdims=True, initial=0.0)
    varies = spread > 1e-12 * scale
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


def difference(values: Mapping[str, np.ndarray], test: str, control: str, *, log: bool) -> np.ndarray:
    """Return test - control of each subject, of the logarithms with ``log``."""
    one, other = (np.asarray(values[name], float) for name in (test, control))
    contrast: np.ndarray = logged(one) - logged(other) if log else one - other
    return contrast
