"""Patients on their way through the trial: dosed as their arm says, and measured as the protocol says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.conduct.course import Course
from trials.conduct.dosing import Dosing
from trials.conduct.happening import happen
from trials.conduct.measuring import follow_up
from trials.conduct.progress import Progress
from trials.conduct.sampling import sampled
from trials.endpoints.base import Watch
from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Conduct:
    """Patients of some replicates on their way through the trial.

    Attributes
    ----------
    protocol
        What is done.
    patients
        Dataset (replicate, subject[, occasion]) of parameters, covariates and residual standard deviations.
    noise
        For each measurement standard normal numbers (replicate, subject, period, time).
    """

    protocol: Protocol
    patients: xr.Dataset
    noise: Mapping[str, Array]

    def course(self, arms: Array, *, without: frozenset[str] = frozenset()) -> Course:
        """Treat and measure all patients in the arms (replicate, subject, period) they are in.

        Parameters
        ----------
        without
            Intercurrent events that are kept from happening.
        """
        samples = sampled(self.protocol, self.patients, arms.shape)
        progress = Progress(
            dosing=Dosing(self.protocol, self.patients, self.noise),
            arms=arms,
            starts=tuple(self.protocol.design.starts(follow_up(self.protocol))[: arms.shape[-1]]),
            samples=samples,
            values={one.key: np.zeros((*arms.shape, one.times.shape[-1])) for one in samples},
            status=np.zeros(arms.shape, dtype=np.int64),
            left=np.full(arms.shape[:2], np.inf),
        )
        progress.treat()
        happen(progress, without)
        lost = np.logical_or.accumulate(progress.status != 0, axis=-1)
        progress.values = {key: np.where(lost[..., None], np.nan, each) for key, each in progress.values.items()}
        return self._recorded(progress)

    def _recorded(self, progress: Progress) -> Course:
        """Course with what is seen of it: nothing after a patient has left."""
        times = {one.key: one.times for one in progress.samples if isinstance(one.key, str)}
        starts, observed = np.asarray(progress.starts)[:, None], {}
        below: dict[str, Array] = {}
        for measurement in self.protocol.measurements:
            name = measurement.name
            seen, flagged = progress.recorded(measurement)
            gone = starts + times[name] > progress.left[..., None, None]
            observed[name] = np.where(gone, np.nan, seen) if gone.any() else seen
            below |= {} if flagged is None else {name: flagged}
        return Course(
            patients=self.patients,
            names=tuple(self.protocol.design.arms),
            arms=progress.arms,
            true={m.name: progress.values[m.name] for m in self.protocol.measurements},
            observed=observed,
            status=progress.status,
            times=times,
            planned={m.name: np.asarray(m.times) for m in self.protocol.measurements},
            below=below,
            watched={key: each for key, each in progress.values.items() if isinstance(key, Watch)},
            starts=progress.starts,
            left=progress.left,
            events=progress.events,
            amounts=progress.amounts,
        )
