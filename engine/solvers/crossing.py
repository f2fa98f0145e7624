"""Taking one subject over the switches of its equations by scipy: every switch ends the integration and begins another.

For the reference solver: nothing here is shared with the block solvers but the equations themselves, their comparisons
held (:mod:`engine.models.freezing`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import evaluate
from engine.models.freezing import Frozen, Switch, root_in_time

type Floats = NDArray[np.float64]

_RISING = {"lt": 1.0, "le": 1.0, "gt": -1.0, "ge": -1.0, "eq": 0.0, "ne": 0.0}
"""Which way the difference goes when a comparison that holds ceases to."""
_AHEAD = 1e-7
"""Part of the interval by which one looks ahead of a switch."""
_MOST = 1000
"""Switches in one interval, beyond which they have no end."""


class Endless(Exception):  # noqa: N818
    """A switch leads back to itself at once."""


@dataclass(slots=True, eq=False)
class Crossing:
    """Switches of one subject.

    ``parameters`` of the model with held comparisons, arrays of length 1; the outcomes among them are written to.
    ``rates`` are the derivatives at a time and state. ``integrate`` is called with the events of an interval, its
    begin, end and state, and gives what ``solve_ivp`` does.
    """

    frozen: Frozen
    parameters: Mapping[str, Floats]
    rates: Callable[[float, Floats], Floats]
    integrate: Callable[[list[Any], float, float, Floats], Any]

    def move(self, state: Floats, begin: float, end: float) -> Floats:
        """State at ``end``; Endless where the switching has none."""
        roots = sorted(root for root in self._roots() if begin < root < end)
        for target in [*roots, end]:
            state, begin = self._between(state, begin, target), target
        return state

    def _between(self, state: Floats, begin: float, end: float) -> Floats:
        """Take the state over an interval in which nothing switches by time alone."""
        self._look(begin, 0.5 * (begin + end), state)
        switches = [switch for switch in self.frozen.switches if self._line(switch) is None]
        for _ in range(_MOST):
            found = self.integrate([self._event(switch) for switch in switches], begin, end, state)
            if found.status != 1:
                return np.asarray(found.y[:, -1])
            begin, state = float(found.t[-1]), np.asarray(found.y[:, -1])
            for switch, times in zip(switches, found.t_events, strict=True):
                if len(times):
                    self.parameters[switch.held][0] = 1.0 - self.parameters[switch.held][0]
                    self._check(switch, begin, _AHEAD * (end - begin), state)
                else:
                    self._join(switch, begin, _AHEAD * (end - begin), state)
            if begin >= end:
                return state
        raise Endless

    def _check(self, switch: Switch, t: float, ahead: float, state: Floats) -> None:
        """Refuse a switch that leads straight back to where it came from."""
        after = state + ahead * self.rates(t, state)
        difference = self._difference(switch, t + ahead, after)
        moved = abs(difference - self._difference(switch, t, state))
        back = bool(switch.outcome(np.asarray([difference]))[0]) != (self.parameters[switch.held][0] > 0.5)
        if back and moved > 0.5 * abs(difference) > 0:
            raise Endless

    def _join(self, switch: Switch, t: float, ahead: float, state: Floats) -> None:
        """Let a switch change along with another: it stands at its zero, which the next event would not see."""
        after = state + ahead * self.rates(t, state)
        before, difference = self._difference(switch, t, state), self._difference(switch, t + ahead, after)
        changes = bool(switch.outcome(np.asarray([difference]))[0]) != (self.parameters[switch.held][0] > 0.5)
        if changes and abs(before) <= abs(difference - before):
            self.parameters[switch.held][0] = 1.0 - self.parameters[switch.held][0]

    def _event(self, switch: Switch) -> Callable[[float, Floats], float]:
        """Difference that ends an integration when it leaves the side it is on."""

        def difference(t: float, state: Floats) -> float:
            return self._difference(switch, t, state)

        holds = self.parameters[switch.held][0] > 0.5
        difference.terminal = True  # type: ignore[attr-defined]
        difference.direction = _RISING[switch.operation] * (1.0 if holds else -1.0)  # type: ignore[attr-defined]
        return difference

    def _look(self, t: float, within: float, state: Floats) -> None:
        """Take the outcomes as they are, those of time alone ``within`` the interval; one may rest on those before."""
        for switch in self.frozen.switches:
            when = t if self._line(switch) is None else within
            found = switch.outcome(np.asarray([self._difference(switch, when, state)]))
            self.parameters[switch.held][0] = float(found[0])

    def _difference(self, switch: Switch, t: float, state: Floats) -> float:
        named = {name: state[n : n + 1] for n, name in enumerate(self.frozen.model.state_names)}
        value = evaluate(switch.difference, {**self.parameters, **named, "t": t}, ARRAYS)
        return float(np.broadcast_to(value, (1,))[0])

    def _line(self, switch: Switch) -> tuple[Any, Any] | None:
        found = root_in_time(switch, self.frozen.model.state_names)
        held = {one.held for one in self.frozen.switches}
        return None if found is None or found[0].names & held else found

    def _roots(self) -> list[float]:
        """Times at which switches in time change."""
        lines = [line for switch in self.frozen.switches if (line := self._line(switch))]
        values = [[evaluate(part, self.parameters, ARRAYS) for part in line] for line in lines]
        with np.errstate(all="ignore"):
            roots = [-np.asarray(value) / slope for value, slope in values]
        return [float(np.broadcast_to(root, (1,))[0]) for root in roots]
