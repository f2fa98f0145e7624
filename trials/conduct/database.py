"""The trial data: what the endpoints make of a course, under the names that analyses know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trials.conduct.course import Course
    from trials.endpoints.base import Found
    from trials.protocol import Protocol

type Variables = dict[str, tuple[Any, ...]]

DIMS = ("replicate", "subject", "period")


def variables(protocol: Protocol, course: Course) -> tuple[Variables, dict[str, Any]]:
    """Endpoints, intercurrent events and leaving of every patient, as variables and coordinates of a Dataset."""
    data: Variables = {}
    coords: dict[str, Any] = {}
    seen = course.seen()
    for endpoint in protocol.endpoints:
        _add(data, coords, endpoint.name, endpoint.unit, endpoint.find(seen), protocol.model.time)
    for estimand in protocol.estimands:
        endpoint = protocol.endpoint(estimand.variable)
        _add(data, coords, estimand.name, endpoint.unit, estimand.find(endpoint, course), protocol.model.time)
    for name, times in course.events.items():
        data[f"ice_{name}"] = (DIMS[:2], times, {"units": protocol.model.time})
    if course.events:
        data["discontinued"] = (DIMS[:2], course.left, {"units": protocol.model.time})
    return data, coords


def _add(data: Variables, coords: dict[str, Any], name: str, unit: str, found: Found, time: str) -> None:
    """Add the variables of one endpoint."""
    dims: tuple[str, ...] = DIMS
    if found.visits is not None:
        dims = (*DIMS, f"visit_{name}")
        coords[dims[-1]] = (dims[-1], found.visits, {"units": time})
    attrs = {"units": unit} if found.at is None else {"units": unit, "at": found.at}
    data[name] = (dims, found.values, attrs)
    beside = {"event": found.event, "exposure": found.exposure, "below": found.below}
    for suffix, values in beside.items():
        if values is not None:
            data[f"{name}_{suffix}"] = (dims, np.asarray(values), {"units": time} if suffix == "exposure" else {})
