"""What a trial costs, from whom it screened and randomised and how long it took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Number, fields, label

type Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Costs:
    """Prices; the cost of a simulated trial is their sum, in the unit they are in.

    Attributes
    ----------
    unit
        Currency, for the report.
    fixed
        Of the trial, whatever happens.
    patient
        Of a patient who is randomised.
    screened
        Of a candidate who is screened, randomised or not.
    time
        Of a unit of the model's time, from the first patient's opening to the decision.
    """

    unit: str
    fixed: float = 0.0
    patient: float = 0.0
    screened: float = 0.0
    time: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        least = Number(least=0)
        fields(self, "costs", unit=label, fixed=least, patient=least, screened=least, time=least)

    def of(self, patients: Array, candidates: Array, duration: Array) -> Array:
        """Return the cost of each trial (replicate,).

        Parameters
        ----------
        patients
            Patients randomised (replicate,): the first so many.
        candidates
            How many were screened for each patient (replicate, subject).
        duration
            Time to the decision (replicate,).
        """
        asked = np.where(np.arange(candidates.shape[1]) < patients[:, None], candidates, 0).sum(axis=1)
        total: Array = self.fixed + self.patient * patients + self.screened * asked + self.time * duration
        return total
