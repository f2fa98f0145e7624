"""Several subjects in one processor register, each with its own time: the compiled Taylor integrator and its rescue.

A lane's numbers do not depend on the other lanes. When one lane fails, the integrator stops for all; the others are
then taken back to where the interval began, which is exact, and the failed lane is helped or given up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import equations
from engine.solvers import explicit
from engine.solvers.scales import scaled
from engine.specification import Model
from engine.status import Status

type Floats = NDArray[np.float64]

_REGISTERS = 2
"""Registers a pack fills: two share the cost of a call from Python; with four, lanes wait for each other too much."""
_REST = 200
"""Attempted explicit steps over an interval where no Taylor series exists."""


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A model compiled for one thread.

    ``integrator`` and ``rates`` count each state in its size. Parameters of the compiled code are, in rows: the model's,
    the sizes of the scaled states, their inverses, and inflows of the infused states, per size.
    """

    integrator: Any
    rates: Callable[..., Floats]
    lanes: int
    names: tuple[str, ...]
    scaled: tuple[int, ...]
    infused: tuple[int, ...]
    tolerance: float
    max_steps: int

    @property
    def state(self) -> Floats:
        """States of the lanes in units of their sizes, (state, lane); a view."""
        return np.asarray(self.integrator.state)

    def load(self, parameters: Floats, size: Floats) -> None:
        """Set the model's parameters, (parameter, lane), and the sizes of the states, (state, lane)."""
        chosen = size[list(self.scaled)]
        self.integrator.pars[: len(self.names)] = parameters
        self.integrator.pars[len(self.names) : len(self.names) + 2 * len(chosen)] = np.concatenate([chosen, 1.0 / chosen])

    def flow(self, rates: Floats) -> None:
        """Set the inflow of the infused states in units of their sizes, (infused, lane)."""
        if self.infused:
            self.integrator.pars[-len(self.infused) :] = rates

    def copy_lane(self, source: int, lane: int) -> None:
        """Make one lane a copy of another, so that a lane given up computes nothing of its own."""
        self.integrator.pars[:, lane] = self.integrator.pars[:, source]
        self.integrator.state[:, lane] = self.integrator.state[:, source]

    def move(self, now: Floats, target: Floats) -> NDArray[np.int8]:
        """Take the lanes from ``now`` to ``target``; their Status. A lane that failed is left where it was."""
        saved = self.state.copy()
        status = self._propagate(now, target)
        if not status.any():
            return status
        begin, start = now.copy(), saved.copy()
        for steps, attempts in ((1, 30), (_REST, _REST)):
            lost = status == Status.diverged
            if not lost.any():
                break
            time, state = explicit.advance(
                self._derivatives, now, saved, np.where(lost, target, now), tolerance=self.tolerance, steps=steps,
                attempts=attempts,
            )  # fmt: skip
            begin, start = np.where(lost, time, begin), np.where(lost, state, start)
            self.state[:] = start
            status = self._propagate(begin, np.where(lost | (status == Status.ok), target, begin))
        bad = status != Status.ok
        if bad.any():
            self.state[:] = np.where(bad, saved, start)
            self._propagate(np.where(bad, target, begin), target)
        return status

    def _propagate(self, now: Floats, target: Floats) -> NDArray[np.int8]:
        integrator = self.integrator
        integrator.set_time(now)  # also clears what rounding left in the low half of the time
        integrator.propagate_until(target, max_steps=self.max_steps)
        limit, failed = _outcomes()
        found = [outcome[0] for outcome in integrator.propagate_res]
        if found.count(limit) == self.lanes:
            return np.zeros(self.lanes, dtype=np.int8)
        stopped = {failed: Status.diverged, limit: Status.ok}
        status = np.asarray([stopped.get(outcome, Status.too_many_steps) for outcome in found], dtype=np.int8)
        if failed in found:  # the integrator stopped at once: the other lanes are merely not there yet
            status[status == Status.too_many_steps] = Status.ok
        return status

    def _derivatives(self, time: Floats, state: Floats) -> Floats:
        found: Floats = self.rates(np.ascontiguousarray(state), pars=self.integrator.pars, time=np.ascontiguousarray(time))
        return found


def machine(model: Model, infused: tuple[int, ...], tolerance: float, max_steps: int) -> Machine:
    """Compiled integrator of this thread; compiled once."""
    return _compile(model, infused, tolerance, max_steps, get_ident())


@lru_cache(maxsize=1)
def _outcomes() -> tuple[Any, Any]:
    import heyoka as hy

    return hy.taylor_outcome.time_limit, hy.taylor_outcome.err_nf_state


@lru_cache(maxsize=32)
def _compile(model: Model, infused: tuple[int, ...], tolerance: float, max_steps: int, _thread: int) -> Machine:
    import heyoka as hy

    lanes = _REGISTERS * int(hy.recommended_simd_size())
    counted = scaled(model)
    system = _system(model, counted, infused)
    parameters = len(model.parameters) + 2 * len(counted) + len(infused)
    # A model without parameters still has a row of them, which compiled code wants.
    start = {"pars": np.zeros((parameters, lanes))} if parameters else {}
    return Machine(
        hy.taylor_adaptive_batch(system, np.zeros((len(system), lanes)), tol=tolerance, **start),
        hy.cfunc([rate for _, rate in system], [state for state, _ in system]),
        lanes, model.parameter_names, counted, infused, tolerance, max_steps,
    )  # fmt: skip


def _system(model: Model, counted: tuple[int, ...], infused: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Equations with each scaled state counted in its size."""
    import heyoka as hy

    from engine.algebras.taylor import TAYLOR

    variables = [hy.make_vars(f"x{n}") for n in range(len(model.states))]
    names = {name: hy.par[n] for n, name in enumerate(model.parameter_names)}
    first = len(names)
    size = {n: hy.par[first + k] for k, n in enumerate(counted)}
    inverse = {n: hy.par[first + len(counted) + k] for k, n in enumerate(counted)}
    flow = {n: hy.par[first + 2 * len(counted) + k] for k, n in enumerate(infused)}
    states = {name: variables[n] * size[n] if n in size else variables[n] for n, name in enumerate(model.state_names)}
    found = equations.derivatives(model, TAYLOR, hy.time, states, names)
    system = []
    for n, rate in enumerate(found.values()):
        own = rate * inverse[n] if n in inverse else rate
        system.append((variables[n], own + flow[n] if n in flow else own))
    return system
