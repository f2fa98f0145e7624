r"""Times at which equations switch, and what the derivatives gain there where they depend on parameters.

At a time :math:`\tau(q)` at which the rates go from :math:`f^-` to :math:`f^+` and the states go on,

.. math:: S^+ = S^- + (f^- - f^+)\, \partial_q \tau

(Rozenvasser, Automat Remote Control 1967;28:400; Galan, Feehery, Barton, Appl Numer Math 1999;31:17,
doi:10.1016/S0168-9274(98)00125-1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.block import Block
from engine.dosing.schedule import LATE, Flags, Floats, Integers, Schedule
from engine.errors import ModelError
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO, differentiate
from engine.models.expression import Expression, evaluate
from engine.models.freezing import Frozen, freeze, root_in_time
from engine.models.specification import Model


class Crossing(NamedTuple):
    """A switch whose time depends on parameters: its number among the model's, and its line in time."""

    number: int
    start: Expression
    slope: Expression
    partials: Mapping[str, Expression]


class Switching(NamedTuple):
    """A crossing at nodes, (subject); whether its difference rises in time there."""

    number: int
    node: Integers
    exists: Flags
    rising: Flags

    def take(self, subjects: Integers) -> "Switching":
        """Give these subjects."""
        return Switching(self.number, self.node[subjects], self.exists[subjects], self.rising[subjects])


@lru_cache(maxsize=256)
def crossings(model: Model, wrt: tuple[str, ...]) -> tuple[Crossing, ...]:
    """Switches at a time that is a function of parameters alone, some of ``wrt`` among them."""
    frozen, found, alone = freeze(model), [], set(model.parameter_names)
    for number, switch in enumerate(() if frozen is None else frozen.switches):
        line = root_in_time(switch, model.state_names)
        if line is None or switch.operation in ("eq", "ne") or not (line[0].names | line[1].names) <= alone:
            continue
        partials = {q: differentiate(switch.difference, q) for q in wrt if q in switch.difference.names}
        if moved := {q: slope for q, slope in partials.items() if slope != ZERO}:
            found.append(Crossing(number, *line, moved))
    return tuple(found)


def times(block: Block, wrt: Sequence[str]) -> Floats:
    """Time of each crossing, (subject, crossing), infinite where it is before the start or after the last sample."""
    known, found = crossings(block.model, tuple(wrt)), []
    last = np.nanmax(np.where(np.isnan(block.samples.time), -np.inf, block.samples.time), axis=1)
    for one in known:
        _check(block, one)
        start, slope = (evaluate(line, block.parameters, ARRAYS) for line in (one.start, one.slope))
        with np.errstate(all="ignore"):
            time = np.broadcast_to(-np.asarray(start, dtype=np.float64) / slope, (block.subjects,))
        found.append(np.where((time > block.schedule.start) & (time <= last), time, np.inf))
    return np.stack(found, axis=1) if found else np.empty((block.subjects, 0))


def _check(block: Block, one: Crossing) -> None:
    names = one.start.names | one.slope.names
    changing = names & set(() if block.covariates is None else block.covariates.values)
    if changing:
        raise ModelError(
            f"sensitivities: model {block.model.name} switches at a time of {', '.join(sorted(changing))}, which "
            "changes with time; begin each occasion with a reset, or leave the parameters of that time out of wrt"
        )


def halting(schedule: Schedule, when: Floats) -> Schedule:
    """The schedule with a stop at each of these times, (subject, crossing), before what else happens then."""
    count, more = when.shape
    new = {"exists": np.isfinite(when), "time": when, "record_time": when, "position": np.full(when.shape, LATE)}
    arrays = {}
    for field in fields(Schedule):
        values = getattr(schedule, field.name)
        wide = np.broadcast_to(values, (count, *values.shape[1:]))
        empty = np.zeros((count, more), dtype=values.dtype)
        arrays[field.name] = wide if values.ndim == 1 else np.append(wide, new.get(field.name, empty), axis=1)
    return replace(schedule, **arrays)


def switchings(block: Block, wrt: Sequence[str], when: Floats, node: Integers) -> tuple[Switching, ...]:
    """Crossings at their nodes, (subject, crossing)."""
    found = []
    for n, one in enumerate(crossings(block.model, tuple(wrt))):
        slope = np.broadcast_to(evaluate(one.slope, block.parameters, ARRAYS), (block.subjects,))
        here = np.broadcast_to(node[:, n], (block.subjects,))
        found.append(Switching(one.number, here, np.isfinite(when[:, n]), slope > 0))
    return tuple(found)


def gained(
    model: Model, wrt: tuple[str, ...], switching: Sequence[Switching], due: Sequence[Flags],
    names: Mapping[str, Floats],
) -> dict[str, Floats]:  # fmt: skip
    """What the derivatives of the states by each parameter gain, (subject, state).

    ``due`` says whose turn it is, for each switching; ``names`` has parameters, states and ``t``, (subject). Where two
    fall together, one follows the other.
    """
    frozen = freeze(model)
    if frozen is None:
        return {}
    held = _outcomes(frozen, names)
    for one, here in zip(switching, due, strict=True):
        _hold(frozen, one, here, held, after=False)
    before = _rates(frozen, names, held)
    found: dict[str, Floats] = {q: np.zeros_like(before) for q in wrt}
    for one, here, crossing in zip(switching, due, crossings(model, wrt), strict=True):
        _hold(frozen, one, here, held, after=True)
        after = _rates(frozen, names, held)
        slope = evaluate(crossing.slope, names, ARRAYS)
        for q, partial in crossing.partials.items():
            moved = np.where(here, -evaluate(partial, names, ARRAYS) / slope, 0.0)
            found[q] += (before - after) * moved[:, None]
        before = after
    return found


def _outcomes(frozen: Frozen, names: Mapping[str, Floats]) -> dict[str, Floats]:
    """Outcome of every comparison."""
    held: dict[str, Floats] = {}
    for switch in frozen.switches:
        difference = np.asarray(evaluate(switch.difference, {**names, **held}, ARRAYS), dtype=np.float64)
        held[switch.held] = np.broadcast_to(switch.outcome(difference), names["t"].shape).astype(np.float64)
    return held


def _hold(frozen: Frozen, one: Switching, here: Flags, held: dict[str, Floats], *, after: bool) -> None:
    """Set the outcome of a comparison to what it is just before its time, or after, for some subjects."""
    switch = frozen.switches[one.number]
    side = switch.outcome(np.where(one.rising == after, 1.0, -1.0))
    held[switch.held] = np.where(here, side, held[switch.held]).astype(np.float64)


def _rates(frozen: Frozen, names: Mapping[str, Floats], held: Mapping[str, Floats]) -> Floats:
    known = {name: value for name, value in names.items() if name != "t"} | dict(held)
    found = equations.derivatives(frozen.model, ARRAYS, names["t"], {}, known)
    return np.stack([np.broadcast_to(value, names["t"].shape) for value in found.values()], axis=1)
