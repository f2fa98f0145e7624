"""Where equations switch: found on the dense output, cut there, and gone on from with the other outcome.

Within a step every comparison keeps its outcome, so that the equations are smooth. A comparison whose outcome differs
at the end of the step, or at a point on the way, has changed in between: the step is cut where it did. Comparisons of
time with parameters are known beforehand and stopped at.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import evaluate
from engine.models.freezing import Frozen, root_in_time
from engine.solvers import formulas
from engine.solvers.assembly import assemble
from engine.solvers.base import Problem
from engine.solvers.formulas import FORMULAS
from engine.solvers.machine import LANES, Kernel
from engine.solvers.stepping.columns import Columns
from engine.solvers.stepping.compiled import Stepper, columns_of
from engine.solvers.stepping.symbols import TIME, Layout

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Flags = NDArray[np.bool_]

_PROBES = (0.25, 0.5, 0.75, 1.0)
"""Parts of a step where outcomes are looked at."""
_HALVINGS = 50
_STILL = 1e-10
"""Progress, as part of the time, below which a switch follows the one before it at once."""
_PATIENCE = 10
"""So many switches at once are switching without end."""


class Cut(NamedTuple):
    """Columns whose step is cut, when, and their states there, (state, column)."""

    columns: Integers
    time: Floats
    states: Floats


class Switching:
    """Switches of a block of subjects."""

    def __init__(self, frozen: Frozen, problem: Problem) -> None:
        self.frozen = frozen
        self.differences = _differences(frozen)
        self.last_row = len(frozen.model.parameters)
        self.rows = slice(self.last_row - len(frozen.switches), self.last_row)
        self.roots = _roots(frozen, problem)
        self.last = np.full(problem.subjects, -np.inf)
        self.hasty = np.zeros(problem.subjects, dtype=np.int64)

    def refresh(self, some: Columns, at: Integers) -> None:
        """Take the outcomes as they are where these columns stand; one may rest on those before it."""
        chosen = np.concatenate([at, np.full(-len(at) % LANES, at[0])])
        carried, parameters = (values.take(chosen, axis=1) for values in (some.carried, some.parameters))
        for _ in self.frozen.switches:
            outcome = self._outcomes(some.layout, carried, parameters)
            if np.array_equal(parameters[self.rows], outcome):
                break
            parameters[self.rows] = outcome
        some.parameters[self.rows, at] = parameters[self.rows, : len(at)]

    def goal(self, subject: Integers, time: Floats, stop: Floats) -> Floats:
        """Time of the next stop: that of the itinerary, or a switch in time before it."""
        roots = self.roots[:, subject]
        ahead = np.where(roots > time, roots, np.inf)
        found: Floats = np.minimum(np.min(ahead, axis=0, initial=np.inf), stop)
        return found

    def cut(self, stepper: Stepper, before: Floats, after: Floats, some: Columns) -> Cut:
        """Columns whose last step went over a switch."""
        row = some.layout.states + TIME
        start, end = before[row], after[row]
        moved = some.moving & (end > start)
        found = np.full(len(start), np.inf)
        for part in reversed(_PROBES):
            time = np.where(part < 1.0, start + part * (end - start), end)
            found = np.where(moved & self._changed(stepper, before, after, some.parameters, time), part, found)
        chosen = np.isfinite(found).nonzero()[0]
        if not chosen.size:
            return Cut(chosen, start[chosen], before[: some.layout.states, chosen])
        columns = chosen[np.arange(len(chosen) + -len(chosen) % LANES) % len(chosen)]
        first, second, parameters = (values.take(columns, axis=1) for values in (before, after, some.parameters))
        time, states = self._locate(stepper, first, second, parameters, found[columns])
        return Cut(chosen, time[: len(chosen)], states[:, : len(chosen)])

    def _locate(
        self, stepper: Stepper, before: Floats, after: Floats, parameters: Floats, high: Floats
    ) -> tuple[Floats, Floats]:
        """Halve until the change lies between neighbouring numbers; time and states just behind it."""
        row = stepper.layout.states + TIME
        start, length = before[row], after[row] - before[row]
        low = np.asarray([0.0, *_PROBES])[np.searchsorted(_PROBES, high)]
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            changed = self._changed(stepper, before, after, parameters, start + middle * length)
            low, high = np.where(changed, low, middle), np.where(changed, middle, high)
        time = np.where(high < 1.0, start + high * length, after[row])
        return time, stepper.sample(np.ascontiguousarray(before[: stepper.layout.carried]), after, time)

    def endless(self, subject: Integers, time: Floats) -> Flags:
        """Count switches that follow each other at once; who has done so too often."""
        at_once = time - self.last[subject] <= _STILL * np.maximum(np.abs(time), _STILL)
        self.hasty[subject] = np.where(at_once, self.hasty[subject] + 1, 0)
        self.last[subject] = time
        return self.hasty[subject] >= _PATIENCE

    def _changed(
        self, stepper: Stepper, before: Floats, after: Floats, parameters: Floats, time: Floats
    ) -> Flags:  # fmt: skip
        """Whether an outcome at a time within the step is not the one that is held, (column)."""
        layout = stepper.layout
        states = stepper.sample(np.ascontiguousarray(before[: layout.carried]), after, time)
        held = parameters[self.rows] > 0.5
        outcomes = self._outcomes(layout, np.concatenate([states, time[None]]), parameters)
        return np.all(np.isfinite(states), axis=0) & np.any(outcomes != held, axis=0)

    def _outcomes(self, layout: Layout, carried: Floats, parameters: Floats) -> Flags:
        """Outcome of each switch, (switch, column)."""
        time, switches = carried[layout.states + TIME], self.frozen.switches
        found = columns_of(self.differences, carried, parameters, time, len(switches))
        return np.stack([switch.outcome(row) for switch, row in zip(switches, found, strict=True)])


@lru_cache(maxsize=64)
def _differences(frozen: Frozen) -> Kernel:
    """Compiled differences of all switches, from the states and time, and the parameters."""
    model = frozen.model
    names = {name: formulas.parameter(n) for n, name in enumerate(model.parameter_names)}
    names |= {name: formulas.carried(n) for n, name in enumerate(model.state_names)}
    names["t"] = formulas.carried(len(model.states) + TIME)
    return assemble([evaluate(switch.difference, names, FORMULAS) for switch in frozen.switches])


def _roots(frozen: Frozen, problem: Problem) -> Floats:
    """Times at which switches in time change, (switch, subject)."""
    lines = [root_in_time(switch, frozen.model.state_names) for switch in frozen.switches]
    found = []
    for line in lines:
        if line is not None and not line[0].names & {switch.held for switch in frozen.switches}:
            value, slope = (evaluate(part, problem.parameters, ARRAYS) for part in line)
            with np.errstate(all="ignore"):
                found.append(np.broadcast_to(-np.asarray(value) / slope, (problem.subjects,)))
    return np.stack(found) if found else np.empty((0, problem.subjects))
