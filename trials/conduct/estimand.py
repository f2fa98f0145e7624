"""Estimands with the five attributes of ICH E9(R1): each is a variable of its own in the trial data.

Treatment, population, variable and the strategy for every intercurrent event change the data and the true effect;
the summary is what the analyses of it must estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trials.checks import Choice, Labels, Number, Optional, fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen

if TYPE_CHECKING:
    from trials.conduct.course import Course

type Array = np.ndarray

STRATEGIES = ("treatment_policy", "hypothetical", "composite", "while_on_treatment")


@dataclass(frozen=True, slots=True)
class Estimand:
    """What is to be estimated.

    Strategies for an intercurrent event (E9(R1), A.3.2). ``treatment_policy``: the variable as it is, whether or not
    the event happened. ``hypothetical``: what it would be had the event not happened; what is recorded after it is
    missing for the analysis, and the true effect is that of patients to whom it does not happen. ``composite``: the
    event is part of the variable, a failure. ``while_on_treatment``: as it was before the event; the last value then
    stands for later ones, a count or a time to event ends with it.
    """

    name: str
    """Variable of the trial data, and what an analysis asks for."""
    treatment: tuple[str, ...]
    """Arms that are compared; patients of others are not part of it."""
    variable: str
    """An endpoint."""
    summary: str
    """Scale of what is estimated (``difference``, ``log-ratio`` ...), which is that of every analysis of it."""
    population: tuple[tuple[str, tuple[float, float]], ...] = ()
    """Limits of covariates, both included, of the patients it is about: a mapping of names to pairs; none is all."""
    events: tuple[tuple[str, str], ...] = ()
    """Strategy for every intercurrent event of the protocol: a mapping of names to strategies."""
    failure: float | None = None
    """Value of a patient with an event whose strategy is composite; not wanted for times to events."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "estimand", name=label, treatment=Labels(1), variable=label, summary=label)
        fields(self, "estimand", population=_limits, events=_strategies, failure=Optional(Number()))

    def events_by(self, *strategies: str) -> tuple[str, ...]:
        """Events with one of these strategies."""
        return tuple(name for name, strategy in self.events if strategy in strategies)

    def find(self, endpoint: Endpoint, course: Course, *, measured: bool = True, within: bool = True) -> Found:
        """Return the variable of every patient; NaN for whoever is not part of it.

        Parameters
        ----------
        endpoint
            The variable.
        measured
            What the data base holds; else what is true.
        within
            Leave out patients of other arms.
        """
        starts = np.asarray(course.starts)[: course.arms.shape[-1]]
        when = {name: times[..., None] - starts for name, times in course.events.items()}
        seen = course.seen(measured=measured)
        for name in self.events_by("hypothetical"):
            seen = ended(seen, when[name], carried=False)
        for name in self.events_by("while_on_treatment"):
            seen = ended(seen, when[name], carried=True)
        found = endpoint.find(seen)
        before = [when[name] for name in self.events_by("hypothetical", "while_on_treatment")]
        end = np.minimum.reduce([np.full(course.arms.shape, np.inf), *before])
        for name in self.events_by("composite"):
            found = failed(found, np.where(when[name] <= end, when[name], np.inf), self.failure)
        return _only(found, self._part(course, within=within))

    def _part(self, course: Course, *, within: bool) -> Array:
        """Who is part of it (replicate, subject, period)."""
        part = np.ones(course.arms.shape, dtype=bool)
        for name, (least, most) in self.population:
            values = course.patients[name].values[..., None]
            part &= (values >= least) & (values <= most)
        if within:
            part &= np.isin(course.arms, [course.names.index(arm) for arm in self.treatment])
        return part


def ended(seen: Seen, when: Array, *, carried: bool) -> Seen:
    """What is known without what came after a time (replicate, subject, period).

    Parameters
    ----------
    carried
        The last value before stands for those after; else they are missing.
    """
    values = {}
    for name, each in seen.values.items():
        later = seen.times[name] > when[..., None]
        values[name] = np.where(later, np.nan, each)
        if carried:
            values[name] = np.where(later, _last(values[name]), values[name])
    return replace(seen, values=values, left=np.minimum(seen.left, np.maximum(when, 0.0)))


def _last(values: Array) -> Array:
    """Last value there is, up to and with each time."""
    index = np.where(np.isfinite(values), np.arange(values.shape[-1]), 0)
    return np.take_along_axis(values, np.maximum.accumulate(index, axis=-1), axis=-1)


def failed(found: Found, when: Array, failure: float | None) -> Found:
    """An endpoint of which an event (replicate, subject, period) is part: a failure from then on."""
    if found.event is not None:
        happened = when <= found.values
        return replace(found, values=np.where(happened, when, found.values), event=found.event | happened)
    assert failure is not None, "checked with the protocol"
    if found.visits is not None:
        return replace(found, values=np.where(found.visits >= when[..., None], failure, found.values))
    known = np.inf if found.at is None else found.at
    return replace(found, values=np.where(np.isfinite(when) & (when <= known), failure, found.values))


def _only(found: Found, part: Array) -> Found:
    """An endpoint of those who are part of it."""
    if part.all():
        return found
    inside = part if found.visits is None else part[..., None]
    event = None if found.event is None else found.event & part
    return replace(found, values=np.where(inside, found.values, np.nan), event=event)


def _limits(where: str, value: object) -> tuple[tuple[str, tuple[float, float]], ...]:
    rows: Any = value.items() if isinstance(value, Mapping) else value
    try:
        found = tuple((str(name), (float(least), float(most))) for name, (least, most) in rows)
    except (TypeError, ValueError):
        raise refuse(where, value, "a mapping of covariates to their least and greatest value") from None
    for name, (least, most) in found:
        if not least <= most:
            raise refuse(f"{where}.{name}", [least, most], "the least value before the greatest")
    return found


def _strategies(where: str, value: object) -> tuple[tuple[str, str], ...]:
    rows: Any = value.items() if isinstance(value, Mapping) else value
    try:
        named = [(str(name), word) for name, word in rows]
    except (TypeError, ValueError):
        raise refuse(where, value, "a mapping of intercurrent events to strategies") from None
    return tuple((name, Choice(STRATEGIES)(f"{where}.{name}", word)) for name, word in named)
