"""What an endpoint promises: from what is known of every patient to variables of the trial data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

type Array = np.ndarray

EVENT = np.dtype([("time", float), ("event", bool)])
"""Time to an event or to censoring, and which of both, as one array: what the true effect of an analysis sees."""


class Watch(NamedTuple):
    """An output of the model that is followed more closely than it is measured: every so often, from 0 to a time."""

    output: str
    every: float
    until: float

    @property
    def clock(self) -> Array:
        """Times after the start of a period (point,)."""
        return np.append(np.arange(0.0, self.until * (1 - 1e-12), self.every), self.until)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of the patients of some replicates; arrays (replicate, subject, period, ...).

    Attributes
    ----------
    values
        Of each measurement (..., time): as recorded, or as it truly was; NaN where it is missing.
    times
        When it was taken after the start of the period, (time,) or, with windows, (..., time).
    planned
        When it was planned, (time,).
    courses
        Of each output that is watched (..., point), as it truly was.
    left
        Time after the start of the period until which events were recorded (replicate, subject, period); infinite for
        those who never left.
    uniform
        Gives addressed uniform numbers (replicate, subject, period, `each`) for a name.
    below
        Of a measurement whose values below the limit of quantification are flagged, where they are.
    """

    values: Mapping[str, Array]
    times: Mapping[str, Array]
    planned: Mapping[str, Array]
    left: Array
    uniform: Callable[[str, int], Array]
    courses: Mapping[Watch, Array] = field(default_factory=dict)
    below: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An endpoint of every patient; arrays (replicate, subject, period[, visit]).

    Attributes
    ----------
    values
        NaN where it is missing; of a time to event the time of the event or of censoring.
    visits
        Planned times of a repeated endpoint.
    event
        Of a time to event, whether it happened.
    exposure
        Of a count, the time at risk.
    below
        Where the value was flagged as below the limit of quantification.
    at
        Time after the start of the period at which it is known; None where each patient has their own.
    """

    values: Array
    visits: Array | None = None
    event: Array | None = None
    exposure: Array | None = None
    below: Array | None = None
    at: float | None = None

    @property
    def truth(self) -> Array:
        """What the true effect of an analysis sees: plain values, or `EVENT` records.

        Counts are scaled so that their mean is the rate, sum of counts over sum of times at risk, times the longest
        time at risk; where that is the same for all they are the counts.
        """
        if self.event is not None:
            made = np.empty(self.values.shape, dtype=EVENT)
            made["time"], made["event"] = self.values, self.event
            return made
        if self.exposure is None:
            return self.values
        scaled: Array = self.values * (np.nanmax(self.exposure) / np.nanmean(self.exposure))
        return scaled


class Endpoint(ABC):
    """What is made of the measurements, or of the course, of every patient.

    Members are frozen dataclasses with the fields annotated here.
    """

    __slots__ = ()

    name: str
    """Name of the variable in the trial data, and what an analysis asks for."""
    unit: str
    """Unit of the value."""

    @property
    @abstractmethod
    def measures(self) -> tuple[str, ...]:
        """Measurements of the protocol it reads."""

    @property
    @abstractmethod
    def watches(self) -> tuple[Watch, ...]:
        """Outputs of the model it follows."""

    @abstractmethod
    def find(self, seen: Seen) -> Found:
        """Return the endpoint of every patient."""


class Profile(Endpoint):
    """An endpoint that is one number from one profile of one measurement."""

    __slots__ = ()

    measure: str
    """Which measurement of the protocol it reads."""

    @abstractmethod
    def __call__(self, values: Array, times: Array) -> Array:
        """Return the endpoint of every profile.

        Parameters
        ----------
        values
            Measurements (..., time); NaN where one is missing. Leading axes are free.
        times
            Time since the start of the period (time,), or (..., time) when each profile has its own; increasing.

        Returns
        -------
        ndarray (...); NaN where the profile does not determine the endpoint.
        """

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return the number of every patient; it is known when the last measurement is due."""
        values = self(seen.values[self.measure], seen.times[self.measure])
        return Found(values, at=float(seen.planned[self.measure][-1]))
