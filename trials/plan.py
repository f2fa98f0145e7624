"""What has to be simulated: the parts of a run, cut into blocks of replicates, without those already done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trials.protocol import Protocol, Trial


@dataclass(frozen=True, slots=True)
class Part:
    """A scenario, or a point of the power curve: one protocol and its number of replicates."""

    name: str
    """Short and fit for a file name: ``scenario0``, ``curve3``."""
    label: str
    protocol: Protocol
    replicates: int


def parts(trial: Trial, replicates: int) -> tuple[Part, ...]:
    """List the parts of a run, scenarios first."""
    scenarios = [
        Part(f"scenario{index}", scenario.name, scenario.protocol, replicates)
        for index, scenario in enumerate(trial.scenarios)
    ]
    curve = trial.power_curve
    points = [] if curve is None else zip(curve.values, curve.protocols, strict=True)
    return (
        *scenarios,
        *(
            Part(f"curve{index}", f"{curve.parameter}={value:g}", protocol, curve.replicates)
            for index, (value, protocol) in enumerate(points)
            if curve is not None
        ),
    )


def missing(total: int, done: Iterable[range], block: int) -> Iterator[range]:
    """Cut the replicates from 0 to `total` that are not done into blocks of at most `block`."""
    start = 0
    for have in [*sorted(done, key=lambda r: r.start), range(total, total)]:
        for first in range(start, min(have.start, total), block):
            yield range(first, min(first + block, have.start, total))
        start = max(start, have.stop)
