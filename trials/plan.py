"""What has to be simulated: the parts of a run, cut into blocks of replicates, without those already done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trials.conduct.sampling import numbers
from trials.protocol import Protocol, Trial

_HELD = 5_000_000
"""Numbers that the patients of a block have, at most: 40 MB, of which some copies exist at a time."""
_OWN = 32
"""Numbers of a patient besides what is sampled of the model: parameters, covariates, endpoints, times of events."""
_MOST, _PIECES = 500, 4
"""Replicates of a block, at most; blocks for each worker, at least, so that the last ones leave nobody idle for long
and an interrupted run has lost little."""


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


def portion(protocol: Protocol, total: int, workers: int) -> int:
    """Replicates of a protocol in a block, where nobody says, out of a run of so many replicates in all.

    What is done once for a block costs as much as tens of small trials; blocks of large ones would not fit in memory.
    """
    patients = protocol.design.n * protocol.design.periods
    fitting = _HELD // (patients * (_OWN + numbers(protocol)))
    return max(1, min(fitting, _MOST, -(-total // (_PIECES * workers))))


def missing(total: int, done: Iterable[range], block: int) -> Iterator[range]:
    """Cut the replicates from 0 to `total` that are not done into blocks of at most `block`."""
    start = 0
    for have in [*sorted(done, key=lambda r: r.start), range(total, total)]:
        for first in range(start, min(have.start, total), block):
            yield range(first, min(first + block, have.start, total))
        start = max(start, have.stop)
