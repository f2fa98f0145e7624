"""What a cause promises: when an event happens to each patient, from what has happened so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trials.checks import Number, refuse
from trials.endpoints.base import Watch

type Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """Patients on their way; times after the start of the first period.

    Attributes
    ----------
    values, times
        What is recorded of each measurement, NaN where a visit was missed, and when (patient, visit).
    courses, clocks
        True course of what is watched (patient, point), and when (point,).
    covariates
        Of each patient, by name.
    limit
        Unit-exponential number of each patient, which a cumulative hazard has to reach.
    hazards
        The same for each output of the model that is a cumulative hazard, shared with the endpoint of that hazard.
    """

    values: Mapping[str, Array]
    times: Mapping[str, Array]
    courses: Mapping[Watch, Array]
    clocks: Mapping[Watch, Array]
    covariates: Mapping[str, Array]
    limit: Array
    hazards: Mapping[str, Array]


class Cause(ABC):
    """Why an event happens, and when; members are frozen dataclasses."""

    __slots__ = ()

    @property
    @abstractmethod
    def measures(self) -> tuple[str, ...]:
        """Measurements of the protocol it looks at."""

    @property
    @abstractmethod
    def covariates(self) -> tuple[str, ...]:
        """Covariates of the population it looks at."""

    @abstractmethod
    def watches(self, until: float) -> tuple[Watch, ...]:
        """Outputs of the model it follows, to the end of a patient's follow-up."""

    @abstractmethod
    def when(self, situation: Situation) -> Array:
        """Time of the event (patient,), after the start; infinite for none."""


def pairs(where: str, value: object) -> tuple[tuple[str, float], ...]:
    """Return names and numbers, given as a mapping or as pairs."""
    rows: Any = value.items() if isinstance(value, Mapping) else value
    try:
        named = [(str(name), number) for name, number in rows]
    except (TypeError, ValueError):
        raise refuse(where, value, "a mapping of names to numbers") from None
    return tuple((name, Number()(f"{where}.{name}", number)) for name, number in named)


def reached(times: Array, hazard: Array, limit: Array) -> Array:
    """Time (patient,) at which a hazard that is constant between times has accumulated to a limit; infinite if never.

    Parameters
    ----------
    times
        Increasing times (patient, point); the hazard begins with the first.
    hazard
        From each time to the next one, for ever from the last (patient, point).
    limit
        (patient,)
    """
    steps = np.diff(times, axis=1) * hazard[:, :-1]
    total = np.concatenate([np.zeros((len(times), 1)), np.cumsum(steps, axis=1)], axis=1)
    last = (total <= limit[:, None]).sum(axis=1) - 1
    row = np.arange(len(times))
    with np.errstate(divide="ignore"):
        found: Array = times[row, last] + (limit - total[row, last]) / hazard[row, last]
    return found
