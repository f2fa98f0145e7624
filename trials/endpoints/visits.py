"""Values, and changes from baseline, at planned visits: what most endpoints are made of."""

from __future__ import annotations

import numpy as np

from trials.checks import refuse
from trials.endpoints.base import Array, Seen

KINDS = ("value", "change", "percent")
"""What is made of a measurement: itself, its change from baseline, or that in percent of the baseline."""


def column(seen: Seen, measure: str, visit: float, where: str) -> int:
    """Place of a planned visit among those of a measurement."""
    planned = seen.planned[measure]
    places = np.flatnonzero(planned == visit)
    if not places.size:
        raise refuse(where, visit, f"a time at which {measure} is measured: {', '.join(f'{t:g}' for t in planned)}")
    return int(places[0])


def at(seen: Seen, measure: str, visits: tuple[float, ...], kind: str, baseline: float) -> Array:
    """Value, change or percent change of a measurement (replicate, subject, period, visit) at planned visits."""
    values = seen.values[measure]
    places = [column(seen, measure, visit, "endpoint.visit") for visit in visits]
    later: Array = values[..., places]
    if kind == "value":
        return later
    before = values[..., [column(seen, measure, baseline, "endpoint.baseline")]]
    change: Array = later - before
    if kind == "change":
        return change
    with np.errstate(divide="ignore", invalid="ignore"):
        percent: Array = np.where(before == 0, np.nan, 100 * change / before)
    return percent


def flags(seen: Seen, measure: str, visits: tuple[float, ...]) -> Array | None:
    """Where the later of the values was below the limit of quantification, if that is flagged."""
    if measure not in seen.below:
        return None
    flagged: Array = seen.below[measure][..., [column(seen, measure, visit, "endpoint.visit") for visit in visits]]
    return flagged
