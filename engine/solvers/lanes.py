"""Several subjects in one processor register, each with its own time: the compiled Taylor integrator and its rescue.

A lane's numbers do not depend on the other lanes. When one lane fails, the integrator stops for all; the others are
then taken back to where the interval began, which is exact, and the failed lane is helped or given up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models import equations
from engine.models.specification import Model
from engine.solvers import explicit
from engine.solvers.scales import scaled
from engine.status import Status

type Floats = NDArray[np.float64]

_REGISTERS = 2
"""Registers a pack fills: two share the cost of a call from Python; with four, lanes wait for each other too much."""
_CAUTION = 0.02
"""Of the tolerance in explicit steps, whose own estimate of their error is too low where there is no series."""
_REST = 200
"""Explicit steps over an interval where no Taylor series exists."""


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A model compiled for one thread.

    ``integrator`` and ``rates`` count each state in its size. Parameters of the compiled code are, in rows: the
    model's, the sizes of the scaled states, their inverses, and inflows of the infused states, per size.
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
        self.integrator.pars[len(self.names) : len(self.names) + 2 * len(chosen)] = np.concatenate(
            [chosen, 1.0 / chosen]
        )

    def flow(self, rates: Floats) -> None:
        """Set the inflow of the infused states in units of their sizes, (infused, lane)."""
        if self.infused:
            self.integrator.pars[-len(self.infused) :] = rates

    def copy_lane(self, source: int, lane: int) -> None:
        """Make one lane a copy of another, so that a lane given up computes nothing of its own."""
        self.integrator.pars[:, lane] = self.integrator.pars[:, source]
        self.integrator.state[:, lane] = self.integrator.state[:, source]

    def move(self, now: Floats, target: Floats) -> NDArray[np.int8] | None:
        """Take the lanes from ``now`` to ``target``; their Status, None when all are there.

        A lane that failed is left where it was.
        """
        saved = self.state.copy()
        if self._propagate(now, target) is None:
            return None
        state, status = self._together(now < target, now, saved, target)
        lost = status == Status.diverged
        for steps in (1, _REST):
            if not lost.any():
                break
            time, start = self._explicitly(lost, now, saved, target, steps)
            helped, again = self._together(lost & np.all(np.isfinite(start), axis=0), time, start, target)
            told = lost & (again != Status.diverged) & ((time > now) if steps == 1 else (time == target))
            state, status = np.where(told, helped, state), np.where(told, again, status).astype(np.int8)
            lost &= ~told
        self.state[:] = state
        return status

    def _together(
        self, active: NDArray[np.bool_], begin: Floats, start: Floats, target: Floats
    ) -> tuple[Floats, NDArray[np.int8]]:
        """Take some lanes to ``target``; the others, and those already there, stand still meanwhile.

        The integrator stops for all when one lane fails, and computes a lane that stands still, which may have no
        Taylor series: so the lanes that are not taken, and then those that failed, stand in for one that is.
        """
        state, status = start.copy(), np.zeros(self.lanes, dtype=np.int8)
        parameters = self.integrator.pars.copy()
        pending = active & (begin < target)
        while pending.any():
            lane = np.where(pending, np.arange(self.lanes), np.argmax(pending))
            self.integrator.pars[:] = parameters[:, lane]
            self.state[:] = start[:, lane]
            found = self._propagate(begin[lane], target[lane])
            if found is None or not np.any(found[pending]):
                state[:, pending] = self.state[:, pending]
                break
            status[pending] = found[pending]
            pending &= found == Status.ok
        self.integrator.pars[:] = parameters
        return state, status

    def _explicitly(
        self, lanes: NDArray[np.bool_], now: Floats, state: Floats, target: Floats, steps: int
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Times and states of some lanes after some explicit steps; one step leaves a place without a series."""
        return explicit.advance(
            self._derivatives, now, state, np.where(lanes, target, now), tolerance=_CAUTION * self.tolerance,
            steps=steps, attempts=2 * steps + 30,
        )  # fmt: skip

    def _propagate(self, now: Floats, target: Floats) -> NDArray[np.int8] | None:
        """Take all lanes to ``target``; their Status, None when all are there."""
        integrator = self.integrator
        integrator.set_time(now)  # also clears what rounding left in the low half of the time
        integrator.propagate_until(target, max_steps=self.max_steps)
        # The usual case first, and cheaply; rounding may also put the time beside its target.
        if (integrator.time == target).all() and math.isfinite(integrator.state.sum()):
            return None
        limit, failed = _outcomes()
        found = [outcome[0] for outcome in integrator.propagate_res]
        if found.count(limit) == self.lanes:
            return None
        if failed in found:  # the others were stopped on their way, which is no failure of theirs
            return np.asarray([Status.diverged if one == failed else Status.ok for one in found], dtype=np.int8)
        there = np.abs(integrator.time - target) <= 1e-15 * np.abs(target)  # all are told of the limit, there or not
        return np.where(there, Status.ok, Status.too_many_steps).astype(np.int8)

    def _derivatives(self, time: Floats, state: Floats) -> Floats:
        found: Floats = self.rates(
            np.ascontiguousarray(state), pars=self.integrator.pars, time=np.ascontiguousarray(time)
        )
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

    from engine.models.algebras.taylor import TAYLOR

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
