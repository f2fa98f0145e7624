"""SDTM of an example trial with what was planned: who the subjects are, and when things happened after their start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from trials.conduct.measuring import follow_up
from trials.evidence.adam.dates import moment
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.elements import arms
from trials.evidence.sdtm.plan import Finding, Plan
from trials.evidence.table import Table
from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Reader:
    """SDTM of an example trial, read with what was planned.

    Attributes
    ----------
    protocol, plan
        What was planned, and in which domains it is told.
    sdtm
        Data sets by name.
    """

    protocol: Protocol
    plan: Plan
    sdtm: Mapping[str, Table]

    @cached_property
    def people(self) -> pd.DataFrame:
        """DM in the order of SUBJID."""
        return self.sdtm["DM"].frame.sort_values("SUBJID", ignore_index=True)

    @cached_property
    def subjects(self) -> pd.Index[Any]:
        """USUBJID."""
        found: pd.Index[Any] = pd.Index(self.people["USUBJID"])
        return found

    @cached_property
    def second(self) -> float:
        """Seconds in the trial's unit of time."""
        return clock.seconds(self.protocol.model.time)

    @cached_property
    def start(self) -> Array:
        """Start of treatment of each subject in seconds (subject,)."""
        return moment(self.people["RFSTDTC"])

    @cached_property
    def starts(self) -> Array:
        """Planned start of each period (period,)."""
        made = self.protocol.design.starts(follow_up(self.protocol))
        return np.asarray(made[: self.protocol.design.periods], dtype=float)

    @cached_property
    def arms(self) -> Array:
        """Index of the arm (subject, period), by DM.ARMCD and the arms of TA."""
        known = {one.code: one.indices for one in arms(self.protocol, self.plan)}
        none = (-1,) * self.protocol.design.periods
        return np.asarray([known.get(code, none) for code in self.people["ARMCD"]], dtype=np.int64)

    @cached_property
    def treatments(self) -> tuple[str, ...]:
        """Name of each arm's treatment, as in DM.ARM or, of a crossover, TA.ELEMENT."""
        return tuple(self.plan.arms[name][1] for name in self.protocol.design.arms)

    def since(self, subject: Array, texts: pd.Series[str]) -> Array:
        """Time after the start of treatment (record,) in the trial's unit, from ISO 8601 texts."""
        found: Array = (moment(texts) - self.start[subject]) / self.second
        return found

    def place(self, frame: pd.DataFrame) -> Array:
        """Index of the subject of each record."""
        found: Array = self.subjects.get_indexer(pd.Index(frame["USUBJID"]))
        return found

    def exact(self, times: Array) -> Array:
        """Times that were planned as they were planned: SDTM has them to the second."""
        known = {0.0, follow_up(self.protocol)}
        known |= {start + time for one in self.protocol.measurements for time in one.times for start in self.starts}
        known |= {watch.until for one in self.protocol.endpoints for watch in one.watches}
        planned_times = np.asarray(sorted(known))
        seconds, wanted = np.round(planned_times * self.second), np.round(times * self.second)
        nearest = np.clip(np.searchsorted(seconds, wanted), 0, len(seconds) - 1)
        found: Array = np.where(seconds[nearest] == wanted, planned_times[nearest], times)
        return found

    def period(self, subject: Array, texts: pd.Series[str]) -> Array:
        """Index of the period of each record, by its time."""
        ahead = self.since(subject, texts) + 1.0 / self.second
        return np.clip(np.searchsorted(self.starts, ahead, side="right") - 1, 0, None)

    def stated(self, about: Finding) -> pd.DataFrame:
        """Records of a covariate."""
        prefix, frame = about.domain, self.sdtm[about.domain].frame
        mine = frame[f"{prefix}TESTCD"] == about.code
        if about.symbol:
            mine &= frame[f"{prefix}SYM"] == about.symbol
        first: pd.DataFrame = frame[mine].drop_duplicates("USUBJID")
        return first
