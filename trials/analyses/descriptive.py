"""Description of one arm: its mean with an interval, no decision."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import Analysis, arm_index, logged, measurements, outcome
from trials.analyses.groups import moments
from trials.checks import Number, fields, flag, label


@dataclass(frozen=True, slots=True)
class ArmMean(Analysis):
    """Mean of one arm with Student's t interval."""

    name: str
    endpoint: str
    arm: str
    level: float = 0.95
    log: bool = False
    """Average logarithms: the estimate is the logarithm of the geometric mean."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, arm=label, level=Number(above=0, below=1), log=flag)

    @property
    def scale(self) -> str:
        """Estimates are means, or logarithms of geometric means."""
        return "log-mean" if self.log else "mean"

    @property
    def decides(self) -> bool:
        """Describes only."""
        return False

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Describe every replicate; ``n`` counts the values of the arm, and fewer than two is a failure."""
        values, arm = measurements(data, self.endpoint)
        flat = (values.shape[0], -1)
        values = (logged(values) if self.log else values).reshape(flat)
        used = (arm == arm_index(data, self.arm, "analysis.arm")).reshape(flat) & np.isfinite(values)
        found = moments(values, used)
        df = np.maximum(found.size - 1, 1)
        se = np.sqrt(found.squares / df / np.maximum(found.size, 1))
        half = special.stdtrit(df, 0.5 + self.level / 2) * se
        columns = {"estimate": found.mean, "se": se, "df": df, "lower": found.mean - half, "upper": found.mean + half}
        return outcome(self, data, columns | {"n": found.size, "failed": found.size < 2})

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the value of each subject under this arm."""
        value = np.asarray(values[self.arm], float)
        return logged(value) if self.log else value

    def null(self, effect: float, tolerance: float = 0.0) -> bool:  # noqa: ARG002 - a description has no hypothesis
        """Return False: there is no null hypothesis."""
        return False
