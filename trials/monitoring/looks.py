"""When a trial is looked at, and what stops it: the plan of its monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trials.boundaries.base import Boundary
from trials.boundaries.estimating import Observed
from trials.boundaries.observing import critical_values, held
from trials.checks import Choice, Number, Optional, fields, flag, label, refuse
from trials.making import make

BY = ("calendar", "events", "follow_up", "information")
"""What a look waits for: a day; a number of events; a number of subjects whose endpoint is known; statistical
information on the effect."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The plan of the monitoring of a parallel trial, its final analysis included."""

    monitored: str
    """Analysis whose test decides; the others are reported at the look at which the trial stops."""
    boundary: Boundary
    """What the test statistic is compared with."""
    at: tuple[float, ...]
    """What each look waits for, increasing: times, events, subjects or shares of ``maximum``; the last is final."""
    by: str = "events"
    endpoint: str = ""
    """Endpoint whose events or subjects are counted; none is that of the monitored analysis."""
    lag: float = 0.0
    """From the day up to which data are known to the decision, while subjects still enrol: cleaning, the committee."""
    maximum: float | None = None
    """Planned information at the end: of ``by: information`` 1/se² of the monitored analysis, of ``by: calendar`` the
    events or subjects; None: the last of ``at``."""
    observed: bool = False
    """Whether the boundary is that at the information observed at a look, or (false) that at the planned one."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", monitored=label, at=_increasing, by=Choice(BY), lag=Number(least=0))
        fields(self, "design", maximum=Optional(Number(above=0)), observed=flag)
        if not isinstance(self.endpoint, str):
            raise refuse("design.endpoint", self.endpoint, "the name of an endpoint, or nothing")
        if self.by == "information" and (self.maximum is None or self.at[-1] > 1):
            raise refuse("design.maximum", self.maximum, "the planned information 1/se², with design.at up to 1")
        if self.by in ("events", "follow_up"):
            self._counts()
        if self.observed and not self.boundary.spends:
            raise refuse("design.observed", True, "false, or a boundary that spends alpha")
        if self.observed and self.by == "calendar" and self.maximum is None:
            raise refuse("design.maximum", None, "the planned number of events or subjects, for design.observed")

    def _counts(self) -> None:
        if any(value != int(value) for value in self.at):
            raise refuse("design.at", self.at, "whole numbers")
        if self.maximum is not None:
            raise refuse("design.maximum", self.maximum, f"nothing with design.by {self.by!r}: it is the last of at")

    @property
    def fractions(self) -> tuple[float, ...]:
        """Planned information at each look as a share of that at the end."""
        return tuple(value / self.at[-1] for value in self.at)

    def critical(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the critical values for efficacy and for futility, (look,) or (replicate, look).

        Parameters
        ----------
        information
            Observed at each look (replicate, look); NaN where it was never due.
        """
        if self.observed:
            fractions = information / (self.maximum or self.at[-1])
            return critical_values(self.boundary, fractions, self.fractions)
        planned = self.boundary(self.fractions)
        return planned.efficacy, planned.futility

    def bounds(self, information: np.ndarray) -> Observed:
        """Return the boundary of each replicate with its information fractions, those planned or those observed.

        Looks at which the trial cannot stop are none.

        Parameters
        ----------
        information
            Observed at each look (replicate, look); NaN where it was never due.
        """
        shape = information.shape
        efficacy, futility = (np.broadcast_to(side, shape) for side in self.critical(information))
        if self.observed:
            fractions = held(information / (self.maximum or self.at[-1]))
        else:
            fractions = np.where(np.isfinite(information), np.array(self.fractions), np.nan)
        idle = np.isposinf(efficacy) & np.isneginf(futility)
        idle[:, -1] = False
        futility = futility if self.boundary.binding else np.full(shape, -np.inf)
        return Observed(np.where(idle, np.nan, fractions), efficacy, futility, self.boundary.sided)


def read_boundary(where: str, value: object) -> Boundary:
    """Coerce a boundary, or the mapping with ``_target_`` that describes one."""
    made = make(where, value) if isinstance(value, Mapping) else value
    if not isinstance(made, Boundary):
        raise refuse(where, made, "a boundary of trials.boundaries")
    return made


def _increasing(where: str, value: object) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of increasing numbers above 0, one a look")
    made = tuple(Number(above=0)(where, each) for each in value)
    if not made or any(later <= earlier for earlier, later in pairwise(made)):
        raise refuse(where, made, "one or more increasing numbers above 0")
    return made
