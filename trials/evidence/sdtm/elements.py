"""Arms, or sequences of arms, and the elements and epochs they are made of."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.dosing.schedule import from_regimens
from trials.evidence.sdtm.plan import Plan
from trials.protocol import Arm, Protocol

CODE = 20
"""Most characters of ARMCD."""


class Sequence(NamedTuple):
    """An arm, or a sequence of arms in a crossover: ARMCD, ARM and the indices of the arms of its periods."""

    code: str
    description: str
    indices: tuple[int, ...]


class Element(NamedTuple):
    """A planned element of an arm: ETCD, ELEMENT, EPOCH, and when it starts and ends after randomisation."""

    code: str
    name: str
    epoch: str
    start: float
    end: float


def arms(protocol: Protocol, plan: Plan) -> tuple[Sequence, ...]:
    """Arms, or the sequences of a crossover."""
    names = list(protocol.design.arms)
    made = []
    for number, indices in enumerate(protocol.design.orders, 1):
        order = [names[index] for index in indices]
        codes = "-".join(plan.arms[name][0] for name in order)
        code = codes if len(codes) <= CODE else f"SEQ{number}"
        described = ", then ".join(plan.arms[name][1] for name in order)
        made.append(Sequence(code, described[:200], tuple(indices)))
    return tuple(made)


def elements(protocol: Protocol, plan: Plan, end: float) -> tuple[tuple[Element, ...], ...]:
    """Elements of each arm or sequence in order of time."""
    periods, names = protocol.design.periods, list(protocol.design.arms)
    switches = sorted({first(protocol, protocol.arm(name)) for name in names if plan.treatments[name].before})
    made = []
    for sequence in arms(protocol, plan):
        found: list[Element] = []
        for period, index in enumerate(sequence.indices):
            found += _of_period(protocol, plan, (period, periods), (names[index], switches), end)
        made.append(tuple(found))
    return tuple(made)


def _of_period(
    protocol: Protocol, plan: Plan, period: tuple[int, int], arm: tuple[str, list[float]], end: float
) -> list[Element]:
    (number, count), (name, switches) = period, arm
    code, described = plan.arms[name]
    design = protocol.design
    if count == 1:
        before, change = plan.treatments[name].before, first(protocol, protocol.arm(name))
        return [
            Element(
                *(("BEFORE", before) if before and late <= change else (code, described)),
                f"TREATMENT {place}" if switches else "TREATMENT", early, late,
            )
            for place, (early, late) in enumerate(pairwise([0.0, *switches, end]), 1)
        ]  # fmt: skip
    start = design.starts(_last(protocol))[number]
    stop = start + _last(protocol)
    treated = Element(code, described, f"TREATMENT {number + 1}", start, stop)
    if number + 1 == count:
        return [treated]
    after = design.starts(_last(protocol))[number + 1]
    return [treated, Element("WASH", "Washout", f"WASHOUT {number + 1}", stop, after)]


def first(protocol: Protocol, arm: Arm) -> float:
    """Time of the first planned dose of an arm; 0 of one without doses, or whose doses a policy gives."""
    if arm.regimen is None or not arm.regimen.doses:
        return 0.0
    return float(from_regimens(protocol.model, [arm.regimen]).events(np.zeros(1, dtype=np.int64)).time.min())


def _last(protocol: Protocol) -> float:
    from trials.conduct import follow_up

    return follow_up(protocol)
