"""The first of several events, such as progression or death."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen, Watch


@dataclass(frozen=True, slots=True)
class First(Endpoint):
    """Time to the first of several events; without any, censored when the follow-up of them ends."""

    name: str
    unit: str
    of: tuple[Endpoint, ...]
    """Times to events: names of other endpoints in YAML."""
    through: bool = True
    """Whether an event counts that comes after another's follow-up has ended, such as a death after the last scan;
    patients without an event are then censored at the latest, else at the earliest of the ends."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label)
        if len(self.of) < 2 or not all(isinstance(one, Endpoint) for one in self.of):
            raise refuse("endpoint.of", self.of, "two or more endpoints that are times to events")

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements that the events read."""
        return tuple(dict.fromkeys(name for one in self.of for name in one.measures))

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Outputs that the events follow."""
        return tuple(dict.fromkeys(watch for one in self.of for watch in one.watches))

    def find(self, seen: Seen) -> Found:
        """Return the time of every patient and whether it is that of an event."""
        parts = [one.find(seen) for one in self.of]
        for one, part in zip(self.of, parts, strict=True):
            if part.event is None:
                raise refuse("endpoint.of", type(one).__name__, "endpoints that are times to events")
        times = np.stack([part.values for part in parts])
        events = np.stack([part.event for part in parts if part.event is not None])
        event = np.where(events, times, np.inf).min(axis=0)
        end = times.max(axis=0) if self.through else times.min(axis=0)
        happened = event <= end
        unknown = np.isnan(times).any(axis=0)
        return Found(np.where(unknown, np.nan, np.where(happened, event, end)), event=happened & ~unknown)
