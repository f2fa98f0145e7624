"""An example trial as a clinical data base would know it: who took part, until when, and what is known by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trials.block import trial_data
from trials.conduct import follow_up
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.elements import Element, arms, elements
from trials.evidence.sdtm.plan import Plan
from trials.evidence.study import Example
from trials.monitoring.conclusion import concluded
from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Record:
    """What happened in an example trial, cut to what was known when it ended.

    All times are in the trial's unit and since randomisation; arrays are of the subjects who were randomised by then.
    """

    example: Example
    plan: Plan

    @property
    def protocol(self) -> Protocol:
        """What was planned."""
        return self.example.protocol

    @property
    def study(self) -> str:
        """STUDYID."""
        return self.example.study

    @cached_property
    def unit(self) -> float:
        """Seconds in the trial's unit of time."""
        return clock.seconds(self.protocol.model.time)

    @cached_property
    def subjects(self) -> Array:
        """Indices of the subjects who were randomised before the trial ended."""
        arm = self.example.data["arm"].values[0].reshape(self.protocol.design.n, -1)
        return np.flatnonzero((arm >= 0).all(axis=1))

    @cached_property
    def numbers(self) -> Array:
        """SUBJID."""
        return np.asarray([f"SIM{index + 1:04d}" for index in self.subjects], dtype=object)

    @cached_property
    def names(self) -> Array:
        """USUBJID."""
        return np.asarray([f"{self.study}-{number}" for number in self.numbers], dtype=object)

    @cached_property
    def start(self) -> Array:
        """Time of randomisation as datetime64[s]."""
        return clock.starts(self.of_patients("enrolled"), self.unit)

    @cached_property
    def arms(self) -> Array:
        """Index of the arm (subject, period)."""
        return np.asarray(self.example.course.arms[0, self.subjects])

    @cached_property
    def cutoff(self) -> Array:
        """Time until which data were known when the trial ended; infinite if it was followed to its end."""
        design, protocol = self.protocol.design, self.protocol
        if design.looks is None and design.reestimation is None:
            return np.full(len(self.subjects), np.inf)
        made = concluded(protocol, trial_data(self.example.work, self.example.course), follow_up(protocol))[0]
        lag = 0.0 if design.looks is None else float(design.looks.lag)
        day = float(made["outcome.duration"][0, 0]) - lag
        return np.asarray(day - self.of_patients("enrolled"))

    @cached_property
    def died(self) -> Array:
        """Time of death; infinite of those who are not known to have died."""
        if not self.plan.death:
            return np.full(len(self.subjects), np.inf)
        data = self.example.data.isel(replicate=0, subject=self.subjects)
        return np.asarray(np.where(data[f"{self.plan.death}_event"].values, data[self.plan.death].values, np.inf))

    @cached_property
    def left(self) -> Array:
        """Time of leaving the study as far as it is known; infinite of those who did not leave."""
        left = self.example.course.left[0, self.subjects]
        return np.asarray(np.where(left <= self.cutoff, left, np.inf))

    @cached_property
    def followed(self) -> float:
        """Planned length of a subject's participation: to the end of what is measured or followed."""
        return float(self.example.course.starts[-1]) + follow_up(self.protocol)

    @cached_property
    def completed(self) -> Array:
        """When each subject's participation ends if nothing ends it before: later than planned by a late last visit."""
        course, last = self.example.course, np.full(len(self.subjects), self.followed)
        for name, true in course.true.items():
            taken = np.broadcast_to(course.times[name], true.shape)[0, self.subjects]
            starts = np.asarray(course.starts)[: taken.shape[1]]
            last = np.maximum(last, (taken + starts[:, None]).max(axis=(1, 2)))
        return last

    @cached_property
    def end(self) -> Array:
        """Time at which participation ended, or the data do: a known death, or completion, leaving or cut-off."""
        alive = np.minimum.reduce([self.completed, self.left, self.cutoff])
        return np.asarray(np.where(np.isfinite(self.died), self.died, alive))

    @cached_property
    def elements(self) -> tuple[tuple[Element, ...], ...]:
        """Planned elements of each arm or sequence."""
        return elements(self.protocol, self.plan, self.followed)

    @cached_property
    def armed(self) -> Array:
        """Index into `elements` of each subject's arm or sequence."""
        known = {tuple(arm.indices): place for place, arm in enumerate(arms(self.protocol, self.plan))}
        return np.asarray([known[tuple(one)] for one in self.arms.tolist()])

    def of_patients(self, name: str) -> Array:
        """Covariate or time of entry of each subject."""
        return np.asarray(self.example.course.patients[name].values[0, self.subjects])

    def events(self) -> Mapping[str, Array]:
        """Time of each intercurrent event as far as it is known; infinite of those without."""
        found = {name: times[0, self.subjects] for name, times in self.example.course.events.items()}
        return {name: np.where(times <= self.end, times, np.inf) for name, times in found.items()}

    def epoch(self, subject: Array, time: Array, period: Array | None = None) -> tuple[Array, Array]:
        """EPOCH and TAETORD of times (record,) of subjects (record,), by the planned elements of their arms.

        What happens when one element ends and the next starts belongs to the next. An observation, of which `period` is
        given, belongs to the one that ends, since it is taken before a dose; the first of a period to that period.
        """
        epochs, orders = np.full(len(time), "", dtype=object), np.full(len(time), np.nan)
        for place, planned in enumerate(self.elements):
            mine = np.flatnonzero(self.armed[subject] == place)
            starts = [one.start for one in planned[1:]]
            within = np.searchsorted(starts, time[mine], side="right" if period is None else "left")
            if period is not None:
                begun = np.asarray(self.example.course.starts)[period[mine]]
                within = np.maximum(within, np.searchsorted(starts, begun, side="right"))
            epochs[mine] = np.asarray([one.epoch for one in planned], dtype=object)[within]
            orders[mine] = within + 1.0
        return epochs, orders

    def clocked(self, subject: Array, time: Array) -> tuple[Array, Array]:
        """ISO 8601 text and study day of times (record,) of subjects (record,)."""
        start = self.start[subject]
        moments = clock.after(start, time, self.unit)
        return clock.text(moments), clock.day(moments, start)
