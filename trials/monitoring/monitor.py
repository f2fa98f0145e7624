"""A monitored trial: every look analysed, whether or not the trial would have stopped before it.

What is found at the looks is kept, so that any boundary can be scored on it later (`trials.monitoring.stopping`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.analyses.base import analyse
from trials.monitoring.cutting import known
from trials.monitoring.looks import Looks
from trials.monitoring.schedule import days

if TYPE_CHECKING:
    from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Monitored:
    """What the looks found: ``found`` Dataset (replicate, look, analysis), ``day`` (replicate, look)."""

    found: xr.Dataset
    day: Array


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """The looks at the trials of some replicates.

    Attributes
    ----------
    protocol
        With a design that has looks.
    data
        Dataset (replicate, subject, ...) of the whole trial, to its end.
    complete
        Time since randomisation after which everything about a subject is known.
    """

    protocol: Protocol
    data: xr.Dataset
    complete: float

    @property
    def looks(self) -> Looks:
        """The plan."""
        assert self.protocol.design.looks is not None, "only designs with looks are monitored"
        return self.protocol.design.looks

    @property
    def endpoint(self) -> str:
        """What is counted."""
        return self.looks.endpoint or self.protocol.analysis(self.looks.monitored).endpoint

    def known(self, day: Array) -> xr.Dataset:
        """Data as they are known on a day (replicate,)."""
        estimands = [estimand.name for estimand in self.protocol.estimands]
        names = [endpoint.name for endpoint in self.protocol.endpoints] + estimands
        return known(self.data, names, day, self.complete)

    def analysed(self) -> Monitored:
        """Analyse the data of every look; of a look that was never due everything is missing."""
        day = days(self.looks, self.data, self.endpoint, self.complete, self._information)
        parts = [self._look(day[:, look]) for look in range(day.shape[1])]
        names = [str(name) for name in parts[0].data_vars]
        stacked = {name: np.stack([part[name].values for part in parts], axis=1) for name in names}
        dims = ("replicate", "look", "analysis")
        return Monitored(xr.Dataset({n: (dims, v) for n, v in stacked.items()}, coords=parts[0].coords), day)

    def _look(self, day: Array) -> xr.Dataset:
        """Outcomes (replicate, analysis) of one look, and what the trial has come to by then."""
        due = np.isfinite(day)
        data = self.known(np.where(due, day, -np.inf))
        found = analyse(self.protocol.analyses, data)
        shape = found["estimate"].shape
        decided = np.where(due, day + self.looks.lag, np.nan)
        extra = {
            "day": np.where(due, day, np.nan),
            "decided": decided,
            "enrolled": (self.data["enrolled"].values <= decided[:, None]).sum(axis=1).astype(float),
            "information": np.where(due, self._measured(data, found), np.nan),
            "due": due,
        }
        wide = {name: (found["estimate"].dims, np.broadcast_to(v[:, None], shape)) for name, v in extra.items()}
        return found.assign({"analysed": found["n"].astype(float)} | wide)

    def _measured(self, data: xr.Dataset, found: xr.Dataset) -> Array:
        """What is counted as information at the look (replicate,): events, 1/se², or subjects analysed."""
        if self.looks.by == "information":
            return np.asarray(found["se"].sel(analysis=self.looks.monitored).values ** -2.0)
        if f"{self.endpoint}_event" in data:
            return np.asarray(data[f"{self.endpoint}_event"].values.sum(axis=1).astype(float))
        return np.asarray(found["n"].sel(analysis=self.looks.monitored).values.astype(float))

    def _information(self, day: Array) -> Array:
        """Statistical information on the monitored effect in the data known on a day (replicate,)."""
        found = self.protocol.analysis(self.looks.monitored)(self.known(day))
        with np.errstate(divide="ignore"):
            return np.asarray(found["se"].values ** -2.0)
