"""What SDTM holds of an example trial, in the form in which the trial's own endpoints and estimands read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from trials.conduct.course import Course
from trials.endpoints.base import Endpoint, Found, Seen, Watch
from trials.endpoints.composite import First
from trials.evidence.adam.selecting import Home, estimand, variables
from trials.evidence.table import Table
from trials.protocol import Protocol

type Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Recorded:
    """SDTM of an example trial.

    Attributes
    ----------
    protocol
        What was planned.
    sdtm
        Data sets by name.
    subjects
        USUBJID of the subjects in the order of their number.
    homes
        Where the measurements, and the endpoints that are pharmacokinetic parameters, are, by their names.
    findings
        For each measurement its records: subject, period, place (index of the planned time), AVAL, BLQFL, SEQ, DTC, DY,
        VISIT.
    course
        What happened, as far as SDTM tells: measurements, times of events and of leaving; covariates of the subjects.
    given
        Endpoints that are no function of measurements: as SDTM holds them.
    sources
        For some endpoints, the record behind each value: frame by (subject, period) of SRCDOM, SRCVAR, SRCSEQ.
    wording
        For each endpoint its words, as in the trial summary.
    origins
        For each covariate, place and time where SDTM has it, in words.
    treatments
        Name of each arm's treatment.
    doses, parameters
        Records of EX and of PP with subject, period and, of doses, their number, of parameters the endpoint's name as
        variable.
    second
        A second in the trial's unit of time, inverted: seconds in one unit.
    """

    protocol: Protocol
    sdtm: Mapping[str, Table]
    subjects: tuple[str, ...]
    homes: Mapping[str, Home]
    findings: Mapping[str, pd.DataFrame]
    course: Course
    given: Mapping[str, Found] = field(default_factory=dict)
    sources: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    wording: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    treatments: tuple[str, ...] = ()
    doses: pd.DataFrame = field(default_factory=pd.DataFrame)
    parameters: pd.DataFrame = field(default_factory=pd.DataFrame)
    second: float = 1.0

    @property
    def periods(self) -> int:
        """Number of treatment periods."""
        return int(self.course.arms.shape[-1])

    def planned(self, measure: str) -> Array:
        """Planned times of a measurement after the start of a period."""
        return np.asarray(self.protocol.measurement(measure).times, dtype=float)

    def measures(self, domain: str) -> tuple[str, ...]:
        """Measurements in a domain."""
        return tuple(one.name for one in self.protocol.measurements if self.homes[one.name].domain == domain)

    def label(self, domain: str) -> str:
        """Label of a domain without the word that it is simulated."""
        return self.sdtm[domain].label.replace("SIMULATED ", "")

    @cached_property
    def found(self) -> Mapping[str, Found]:
        """Every variable that analyses may ask for, by the trial's own derivations from what SDTM holds."""
        seen, made = self.course.seen(), {}
        for name, endpoint in variables(self.protocol):
            target, known = estimand(self.protocol, name), self._known(endpoint)
            profiled = endpoint.name in self.given and self.given[endpoint.name].event is None
            source = endpoint if profiled else known
            made[name] = known.find(seen) if target is None else target.find(source, self.course)
        return made

    def _known(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with what it follows closely replaced by what SDTM holds of it."""
        if endpoint.name in self.given:
            return Known(endpoint.name, endpoint.unit, self.given[endpoint.name])
        if isinstance(endpoint, First):
            return replace(endpoint, of=tuple(map(self._known, endpoint.of)))
        return endpoint


@dataclass(frozen=True, slots=True, eq=False)
class Known(Endpoint):
    """A time to event, or a parameter, as it was recorded; a time ends when the patient leaves."""

    name: str
    unit: str
    recorded: Found

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing that is followed."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return what was recorded, until the patient left."""
        if self.recorded.event is None:
            return self.recorded
        values = np.minimum(self.recorded.values, seen.left)
        return replace(self.recorded, values=values, event=self.recorded.event & (self.recorded.values <= seen.left))
