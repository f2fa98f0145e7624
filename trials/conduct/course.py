"""What happened to the patients of some replicates, and what of it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from trials.endpoints.base import Seen, Watch
from trials.streams import Stream, item, uniforms

type Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened to the patients of some replicates, and what of it was seen.

    Attributes
    ----------
    patients
        Dataset (replicate, subject[, occasion]) as drawn.
    names, arms
        Names of the arms, and the index of the arm (replicate, subject, period).
    true
        For each measurement the true values (replicate, subject, period, time); NaN where the solver failed.
    observed
        The same with measurement error and limit of quantification, NaN where the visit was missed or the patient had
        left: what the trial's data base holds.
    status
        The engine's status (replicate, subject, period).
    times, planned
        When each measurement was taken after the start of the period, (time,) or with windows (replicate, subject,
        period, time), and when it was planned (time,).
    below
        Of a measurement whose rule flags what is below the limit of quantification, where it was.
    watched
        True course of what is watched (replicate, subject, period, point).
    starts
        Start of each period after that of the first.
    events
        Time of each intercurrent event after the start of the first period (replicate, subject); infinite if none.
    left
        Time after the start of the first period at which the patient left the study (replicate, subject), likewise.
    amounts
        For each arm with a policy, and each period, the doses it gave before any event (replicate, subject, dose).
    """

    patients: xr.Dataset
    names: tuple[str, ...]
    arms: Array
    true: Mapping[str, Array]
    observed: Mapping[str, Array]
    status: Array
    times: Mapping[str, Array]
    planned: Mapping[str, Array]
    below: Mapping[str, Array]
    watched: Mapping[Watch, Array]
    starts: tuple[float, ...]
    left: Array
    events: Mapping[str, Array] = field(default_factory=dict)
    amounts: Mapping[tuple[str, int], Array] = field(default_factory=dict)

    def seen(self, *, measured: bool = True) -> Seen:
        """What the data base holds; or (not `measured`) what is true, also of those who left."""
        starts = np.asarray(self.starts)[: self.arms.shape[-1]]
        left = self.left[..., None] - starts
        values = self.observed if measured else self.true
        return Seen(
            values=values,
            times=self.times,
            planned=self.planned,
            left=np.maximum(left, 0.0) if measured else np.full(left.shape, np.inf),
            uniform=self._uniform,
            courses=self.watched,
            below=self.below if measured else {},
        )

    def _uniform(self, name: str, each: int) -> Array:
        """Uniform numbers (replicate, subject, period, each) addressed by a name."""
        replicates, (count, subjects, periods) = self.patients["replicate"].values.tolist(), self.arms.shape
        seed = int(self.patients.attrs["seed"])
        found = uniforms(seed, Stream.ENDPOINT, replicates, subjects, each=(periods * each,), item=item(name))
        return found.reshape(count, subjects, periods, each)
