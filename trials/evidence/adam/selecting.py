"""Where in the analysis data sets every analysed variable is: which data set, which records, which column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from trials.conduct.estimand import Estimand
from trials.endpoints.base import Endpoint
from trials.endpoints.composite import First
from trials.endpoints.course import Course
from trials.endpoints.crossing import Crossing
from trials.endpoints.event import TimeToEvent
from trials.endpoints.repeated import Repeated
from trials.endpoints.visit import AtVisit
from trials.evidence.adam.simulated import short
from trials.protocol import Protocol

COLUMNS = {"value": "AVAL", "change": "CHG", "percent": "PCHG"}
"""Column of a data set by what an endpoint makes of a measurement."""
EVENTS = (TimeToEvent, Crossing, First)
EFFICACY, TIMES, PARAMETERS = "ADEFF", "ADTTE", "ADPP"
"""Data sets of endpoints that are not values at visits."""


class Home(NamedTuple):
    """Where in SDTM a measurement, or a pharmacokinetic parameter, is."""

    domain: str
    code: str
    """Value of --TESTCD."""
    name: str
    """Value of --TEST."""
    unit: str
    """Value of --STRESU."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a record: a variable, EQ or IN, and values."""

    variable: str
    comparator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """As in a where clause: ``PARAMCD EQ HBA1C``."""
        if self.comparator == "EQ":
            return f"{self.variable} EQ {self.values[0]}"
        return f"{self.variable} {self.comparator} ({', '.join(self.values)})"

    def met(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Which records meet it."""
        found: pd.Series[bool] = frame[self.variable].astype(str).isin(self.values)
        return found


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of a data set that are an endpoint, or an estimand's variable, and the column with its values.

    Attributes
    ----------
    variable
        Name of the endpoint or estimand.
    dataset, column
        Name of the data set, and ``AVAL``, ``CHG`` or ``PCHG``.
    parameter
        PARAMCD.
    flag
        Variable that is ``Y`` in those records: ``ANL01FL``.
    beside
        Further columns that are part of it: ``CNSR``, ``ATRISK``, ``BLQFL``.
    """

    variable: str
    dataset: str
    column: str
    parameter: str
    flag: str = "ANL01FL"
    beside: tuple[str, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Conditions that a record meets."""
        return Condition("PARAMCD", "EQ", (self.parameter,)), Condition(self.flag, "EQ", ("Y",))

    @property
    def where(self) -> str:
        """The conditions as a where clause."""
        return " AND ".join(map(str, self.conditions))

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The records."""
        found: pd.DataFrame = frame[self.conditions[0].met(frame) & self.conditions[1].met(frame)]
        return found


def selections(protocol: Protocol, homes: Mapping[str, Home]) -> dict[str, Selection]:
    """Where every endpoint and every estimand's variable is.

    Parameters
    ----------
    protocol
        What was planned.
    homes
        Where in SDTM the measurements, and the endpoints that are pharmacokinetic parameters, are, by their names.
    """
    made: dict[str, Selection] = {}
    taken: dict[str, set[str]] = {EFFICACY: set(), TIMES: set(), PARAMETERS: set()}
    for variable, endpoint in variables(protocol):
        if isinstance(endpoint, AtVisit | Repeated):
            made[variable] = _of_visits(variable, endpoint, homes[endpoint.measure], made.values())
            continue
        dataset = _dataset(variable, endpoint, homes)
        code = homes[variable].code if dataset == PARAMETERS else short(variable, taken[dataset])
        code = code if code not in taken[dataset] else short(variable, taken[dataset])
        taken[dataset].add(code)
        made[variable] = Selection(variable, dataset, "AVAL", code, beside=("CNSR",) if dataset == TIMES else ())
    return made


def variables(protocol: Protocol) -> Iterable[tuple[str, Endpoint]]:
    """Name and endpoint of every variable that analyses may ask for."""
    yield from ((endpoint.name, endpoint) for endpoint in protocol.endpoints)
    yield from ((estimand.name, protocol.endpoint(estimand.variable)) for estimand in protocol.estimands)


def estimand(protocol: Protocol, variable: str) -> Estimand | None:
    """The estimand of that name; None when it is an endpoint."""
    return next((one for one in protocol.estimands if one.name == variable), None)


def _dataset(variable: str, endpoint: Endpoint, homes: Mapping[str, Home]) -> str:
    if isinstance(endpoint, EVENTS):
        return TIMES
    return PARAMETERS if isinstance(endpoint, Course) and variable in homes else EFFICACY


def _of_visits(variable: str, endpoint: AtVisit | Repeated, home: Home, before: Iterable[Selection]) -> Selection:
    """Values at visits; each variable of a data set has an analysis flag of its own."""
    dataset = f"AD{home.domain}"
    number = 1 + sum(one.dataset == dataset for one in before)
    return Selection(variable, dataset, COLUMNS[endpoint.kind], home.code, f"ANL{number:02d}FL")
