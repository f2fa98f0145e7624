"""Endpoints in the words of a protocol: what is measured, how it is compared, and when."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from engine.outcomes import NCA
from trials.endpoints.base import Endpoint
from trials.endpoints.composite import First
from trials.endpoints.event import TimeToEvent
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.plan import Plan
from trials.evidence.sdtm.visits import planned
from trials.evidence.terminology import CODELISTS
from trials.protocol import Protocol

KINDS = {"value": "{}", "change": "Change from baseline of {}", "percent": "Percent change from baseline of {}"}


def worded(protocol: Protocol, plan: Plan, endpoint: Endpoint) -> str:
    """Words for an endpoint: ``Percent change from baseline of LDL Cholesterol at WEEK 12``."""
    if isinstance(endpoint, TimeToEvent):
        return "Time to death" if endpoint.name == plan.death else f"Time to {_plain(endpoint.name)}"
    if isinstance(endpoint, First):
        return f"Time to the first of {', '.join(_plain(one.name) for one in endpoint.of)}"
    if not endpoint.measures or endpoint.measures[0] not in plan.measurements:
        return _plain(endpoint.name).capitalize()
    what = _measure(plan, endpoint.measures[0])
    if hasattr(endpoint, "metric"):
        return _profile(endpoint.metric, what)
    if hasattr(endpoint, "criterion"):
        return f"Time until {what} is {_settings(endpoint.criterion)}"
    return _visited(protocol, endpoint, KINDS[getattr(endpoint, "kind", "value")].format(what))


def _visited(protocol: Protocol, endpoint: Endpoint, what: str) -> str:
    """What is compared at one visit, at some or at all, and the limit of a response."""
    visit, several = getattr(endpoint, "visit", None), getattr(endpoint, "visits", ())
    limits = [(getattr(endpoint, name, None), told) for name, told in (("least", "at least"), ("most", "at most"))]
    limit = " and ".join(f"{told} {value:g}" for value, told in limits if value is not None)
    response = f"Response ({what} of {limit})" if limit else what
    if visit is None:
        return f"{response} at {', '.join(_visit(protocol, one) for one in several) if several else 'every visit'}"
    return f"{response} at {_visit(protocol, visit)}"


def _visit(protocol: Protocol, time: float) -> str:
    unit = clock.seconds(protocol.model.time)
    visits = planned(protocol, (0.0,))
    return str(visits.names[int(visits.of(clock.planned_day(np.asarray(time), unit), 0))])


def _profile(metric: object, what: str) -> str:
    if isinstance(metric, NCA):
        return f"{CODELISTS['PKPARMCD'].decode(metric.parameter)} of {what}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(metric).__name__).capitalize()
    return f"{words} of {what} ({_settings(metric)})"


def _settings(one: object) -> str:
    """Fields that are stated: ``low 2, high 3``."""
    fields: Sequence[str] = tuple(getattr(one, "__dataclass_fields__", ()))
    stated = ((name, getattr(one, name)) for name in fields)
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in stated if value is not None)  # fmt: skip


def _measure(plan: Plan, measure: str) -> str:
    """Name of a test, after its category where that is the instrument: ``ADAS-COG Total Score``."""
    about = plan.measurements[measure]
    scored = about.domain in ("FT", "QS", "RS") and about.category and about.category not in about.test
    return f"{about.category} {about.test}" if scored else about.test


def _plain(name: str) -> str:
    return name.replace("_", " ")
