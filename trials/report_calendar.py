"""What the report says of enrolment, randomisation and looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.monitoring.looks import Looks
    from trials.protocol import Protocol

type Row = tuple[str, str, str]

WAITS = {
    "calendar": "on day {:g}",
    "events": "at {:g} events",
    "follow_up": "when the endpoint of {:g} subjects is known",
    "information": "at {:g} of the planned information",
}


def calendar_rows(protocol: Protocol, settings: Callable[[object], str]) -> Iterator[Row]:
    """Rows of the plan: enrolment, randomisation and each look; `settings` writes a specification."""
    for name in ("enrolment", "randomisation"):
        part = getattr(protocol, name)
        if part is not None:
            yield name, type(part).__name__, settings(part)
    looks = protocol.design.looks
    if looks is not None:
        yield from _looks(looks)


def _looks(looks: Looks) -> Iterator[Row]:
    bounds = looks.boundary(looks.fractions)
    z = "|Z|" if bounds.sided == 2 else "Z"
    for number, at in enumerate(looks.at):
        efficacy, futility = float(bounds.efficacy[number]), float(bounds.futility[number])
        level = bounds.sided * float(bounds.stage_levels[number])
        does = [f"efficacy at {z} ≥ {efficacy:.4f} (p ≤ {level:.3g})"] if math.isfinite(efficacy) else []
        does += [f"futility at {z} ≤ {futility:.4f}"] if math.isfinite(futility) else []
        planned = ", as planned; at the information observed in the trial" if looks.observed else ""
        yield "look", str(number + 1), f"{WAITS[looks.by].format(at)}: {', '.join(does) or 'no stop'}{planned}"
