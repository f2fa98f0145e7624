"""Strata: one index a subject from the variables a stratified analysis names."""

import numpy as np
import xarray as xr

from trials.checks import refuse

MOST = 100
"""Levels of one variable beyond which it is taken for a continuous one."""


def strata(data: xr.Dataset, names: tuple[str, ...]) -> np.ndarray | None:
    """Return the stratum (replicate, subject) of every combination of the variables' values; -1 where one is missing.

    Without names there are no strata: None.

    Raises
    ------
    TrialError
        When a variable is absent, has other dims than (replicate, subject), or more than 100 levels.
    """
    code = np.zeros((data.sizes["replicate"], data.sizes["subject"]), int)
    missing = np.zeros(code.shape, bool)
    for name in names:
        if name not in data.variables or set(data[name].dims) != {"replicate", "subject"}:
            have = ", ".join(map(str, data.variables))
            raise refuse("analysis.strata", name, f"variables (replicate, subject); the data have {have}")
        values = data[name].transpose("replicate", "subject").values.astype(float)
        levels, index = np.unique(values, return_inverse=True, equal_nan=True)
        if len(levels) > MOST:
            raise refuse("analysis.strata", name, f"a variable with few levels, not {len(levels)}: a covariate")
        code = code * len(levels) + index.reshape(code.shape)
        missing |= np.isnan(values)
    return np.where(missing, -1, np.unique(code, return_inverse=True)[1].reshape(code.shape)) if names else None
