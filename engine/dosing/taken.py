"""A regimen as each subject took it: doses left out, halved or delayed, and parameters that change on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.dosing.covariates import Covariates
from engine.dosing.regimen import Regimen
from engine.dosing.schedule import BEFORE, SAMPLE, STEPS, Flat, Schedules, from_regimens
from engine.errors import DataError
from engine.models.specification import Model

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A regimen as each subject took it.

    Parameters
    ----------
    regimen
        What was prescribed to all.
    share
        How much of each dose was taken, (subject, dose); 0: nothing, and the dose leaves no trace. Doses count as in
        ``times``.
    delay
        How much later than prescribed, (subject, dose), in the model's unit of time; negative is earlier.
    changes
        Parameters of the model that change, each (subject, stretch): their values in one stretch of time after the
        other.
    until
        End of each stretch, (subject, stretch), increasing but for stretches of no length; the last has no end. A
        sample before the doses of that time still belongs to the stretch, a dose of that time to the next one.

    Raises
    ------
    DataError
        When an array has another shape, a share is negative, or a time is not finite.
    """

    regimen: Regimen
    share: Floats
    delay: Floats
    changes: Mapping[str, Floats] = field(default_factory=dict)
    until: Floats | None = None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        shape = (len(self.share), sum(dose.times for dose in self.regimen.doses))
        for name, values in (("share", self.share), ("delay", self.delay)):
            if np.shape(values) != shape or not np.isfinite(values).all():
                raise DataError(f"taken: {name} has shape {np.shape(values)}; finite numbers {shape} are wanted")
        if (self.share < 0).any():
            raise DataError(f"taken: share is {self.share.min():g} somewhere; 0 or more is wanted")
        for name, values in self.changes.items():
            if self.until is None or np.shape(values) != np.shape(self.until) or len(values) != shape[0]:
                raise DataError(f"taken: changes of {name} have shape {np.shape(values)}; that of `until` is wanted")
        if self.until is not None and ((self.until[:, 1:] < self.until[:, :-1]).any() or np.isnan(self.until).any()):
            raise DataError("taken: until decreases somewhere; increasing ends of stretches are wanted")

    @property
    def subjects(self) -> int:
        """How many subjects."""
        return len(self.share)


def dose_times(model: Model, regimen: Regimen) -> Floats:
    """Times at which the doses of a regimen are prescribed, (dose), in the model's unit: the order of ``share``."""
    return from_regimens(model, [regimen]).events(np.zeros(1, dtype=np.int64)).time


def schedules(model: Model, taken: Taken) -> Schedules:
    """One row for each subject; a row begins at 0 or at its first dose, whichever is earlier."""
    planned = from_regimens(model, [taken.regimen]).events(np.zeros(1, dtype=np.int64))
    given = np.where(taken.share > 0, planned.time + taken.delay, np.inf)
    start = np.minimum(0.0, given.min(axis=1, initial=np.inf))
    return Schedules(start, partial(_events, planned, taken))


def _events(planned: Flat, taken: Taken, rows: NDArray[np.int64]) -> Flat:
    share, delay = taken.share[rows], taken.delay[rows]
    row, dose = np.nonzero(share > 0)
    columns = {name: getattr(planned, name)[dose] for name in Flat._fields if name != "row"}
    later = delay[row, dose]
    columns["time"], columns["record_time"] = columns["time"] + later, columns["record_time"] + later
    columns["amount"] = columns["amount"] * share[row, dose]
    return Flat(row=row, **columns)


def stretches(taken: Taken) -> Covariates | None:
    """Parameters that change, as the engine has them."""
    if not taken.changes or taken.until is None:
        return None
    until = taken.until.copy()
    until[:, -1] = np.inf
    key = np.full(until.shape, BEFORE * STEPS + SAMPLE)
    return Covariates(dict(taken.changes), until, key, np.full(len(until), until.shape[1]))
