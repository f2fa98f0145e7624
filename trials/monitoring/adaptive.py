"""What a trial comes to whose size is re-estimated at an interim look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import analyse, logged
from trials.monitoring.cutting import kept
from trials.monitoring.reestimation import Blinded, Reestimation, Resized, Unblinded
from trials.monitoring.schedule import known_from
from trials.monitoring.stopping import statistic

if TYPE_CHECKING:
    from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Adaptive:
    """Trials of some replicates, simulated to the largest size; the fields are those of a `Monitor`.

    The first stage are the first subjects, whose endpoint the interim look waits for; all others are of the second.
    """

    protocol: Protocol
    data: xr.Dataset
    complete: float

    @property
    def plan(self) -> Reestimation:
        """The plan."""
        assert self.protocol.design.reestimation is not None, "only such designs come here"
        return self.protocol.design.reestimation

    def concluded(self) -> tuple[dict[str, Array], xr.Dataset]:
        """Return ``outcome.<variable>`` (replicate, analysis), and the data as they were when each trial ended."""
        index, rows = np.arange(self.data.sizes["subject"]), np.arange(self.data.sizes["replicate"])
        first = kept(self.data, np.broadcast_to(index < self.plan.interim, (rows.size, index.size)))
        early = analyse(self.protocol.analyses, first)
        resized = self._resized(first, early)
        decided, by_then = self._interim()
        n = np.where(resized.stop != 0, by_then, np.maximum(resized.n, by_then))
        last = np.where(resized.stop != 0, self.plan.interim, n)
        ended = kept(self.data, index < last[:, None])
        found = analyse(self.protocol.analyses, ended)
        made = {str(name): one.values.copy() for name, one in found.data_vars.items()}
        self._decide(made, early, kept(ended, np.broadcast_to(index >= self.plan.interim, ended["arm"].shape)), resized)
        end = self.data["enrolled"].values[rows, n - 1] + self.protocol.design.duration(self.complete)
        made |= self._told(made, resized, n, np.where(resized.stop != 0, decided, end))
        return {f"outcome.{name}": values for name, values in made.items()}, ended

    def _interim(self) -> tuple[Array, Array]:
        """Day of the interim decision, and how many are randomised by then, each (replicate,)."""
        endpoint = self.protocol.analysis(self.plan.monitored).endpoint
        day = known_from(self.data, endpoint, self.complete)[:, self.plan.interim - 1] + self.plan.lag
        return day, (self.data["enrolled"].values <= day[:, None]).sum(axis=1)

    def _resized(self, first: xr.Dataset, early: xr.Dataset) -> Resized:
        """What the first stage says of the size."""
        analysis, rule = self.protocol.analysis(self.plan.monitored), self.plan.rule
        if isinstance(rule, Unblinded):
            return rule.resized(self._statistic(early))
        values = first[analysis.endpoint].values
        return rule.resized(logged(values) if getattr(analysis, "log", False) else values)

    def _statistic(self, found: xr.Dataset) -> Array:
        """Monitored statistic (replicate,), as a standard normal number."""
        alternative = str(getattr(self.protocol.analysis(self.plan.monitored), "alternative", "greater"))
        return statistic(found, self.plan.monitored, alternative)

    def _decide(self, made: dict[str, Array], early: xr.Dataset, second: xr.Dataset, resized: Resized) -> None:
        """Let the combined stages decide the monitored analysis; estimate and interval are of all subjects."""
        rule = self.plan.rule
        if isinstance(rule, Blinded):
            return
        at = early["analysis"].values.tolist().index(self.plan.monitored)
        one = self._statistic(early)
        two = self._statistic(analyse([self.protocol.analysis(self.plan.monitored)], second))
        together = np.where(resized.stop != 0, one, rule.combined(one, two))
        wins = np.where(resized.stop != 0, resized.stop > 0, together >= rule.efficacy[1])
        made["statistic"][:, at], made["p"][:, at] = together, special.ndtr(-together)
        made["decision"][:, at] = wins & ~np.isnan(together)

    def _told(self, made: dict[str, Array], resized: Resized, n: Array, end: Array) -> dict[str, Array]:
        """What else is reported of each trial (replicate, analysis)."""
        at = [analysis.name for analysis in self.protocol.analyses].index(self.plan.monitored)
        stops = resized.stop != 0
        found = {
            "analysed": made["n"][:, at] * 1.0,
            "duration": end,
            "look": np.where(stops, 1.0, 2.0),
            "efficacy": made["decision"][:, at] * 1.0,
            "futility": (resized.stop < 0) * 1.0,
            "stop_1": stops * 1.0,
            "stop_2": ~stops * 1.0,
            self.plan.rule.measures: resized.measure,
        }
        wide = {name: np.broadcast_to(values[:, None], made["p"].shape).copy() for name, values in found.items()}
        return wide | {"n": np.broadcast_to(n[:, None], made["p"].shape).copy()}
