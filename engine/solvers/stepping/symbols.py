"""The symbols a compiled step is written in, and how they lie in the rows of its arrays.

Carried from step to step, in rows: the states, then time, length of the step to try, the length that suited the first
step after the last dose, whether this is such a step, and how many steps in a row looked stiff. Rows of parameters: the
model's, the floors of the states, inflows of the infused ones, where the step has to stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from engine.models import equations
from engine.models.specification import Model
from engine.solvers import formulas
from engine.solvers.formulas import FORMULAS
from engine.solvers.stepping import half
from engine.solvers.stepping.modes import Shape, shape

EXTRA = 5
"""Rows carried beside the states."""
TIME, LENGTH, FIRST, FRESH, STIFF = range(EXTRA)


class Layout(NamedTuple):
    """Which rows hold what.

    ``infused`` are the states something may flow into, ``numeric`` those the method carries, ``form`` the structure of
    the part that is carried exactly, None for none. ``floor``, ``flow``, ``modes`` and ``stop`` are the first rows of
    their kind among the parameters; ``carried`` counts the rows carried.
    """

    model: Model
    infused: tuple[int, ...]
    form: Shape | None
    numeric: tuple[int, ...]
    states: int
    carried: int
    floor: int
    flow: int
    modes: int
    stop: int


@lru_cache(maxsize=64)
def layout(model: Model, infused: tuple[int, ...], exact: bool) -> Layout:
    """Rows of a model, infused into these states, its linear part carried exactly or not."""
    states, form = len(model.states), shape(model) if exact else None
    floor = len(model.parameters)
    modes = floor + states + len(infused)
    numeric = tuple(n for n in range(states) if form is None or n not in form.states)
    return Layout(
        model, infused, form, numeric, states, states + EXTRA, floor, floor + states, modes,
        modes + (half.count(form) if form else 0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Symbols:
    """Formulas of everything a step is given."""

    layout: Layout
    states: list[Any]
    time: Any
    length: Any
    first: Any
    fresh: Any
    stiff: Any
    parameters: dict[str, Any]
    floor: list[Any]
    flow: dict[int, Any]
    modes: list[Any]
    stop: Any

    @property
    def variables(self) -> list[Any]:
        """Carried rows, in order."""
        return [*self.states, self.time, self.length, self.first, self.fresh, self.stiff]

    def half(self) -> half.Half | None:
        """Linear part from the start of the step on, where it is exact."""
        form = self.layout.form
        return half.begin(form, self.modes, self.states, self.flow) if form else None

    def rates(self, time: Any, states: Sequence[Any]) -> list[Any]:
        """Derivatives, inflows included."""
        named = dict(zip(self.layout.model.state_names, states, strict=True))
        found = equations.derivatives(self.layout.model, FORMULAS, time, named, self.parameters)
        return [rate + self.flow[n] if n in self.flow else rate for n, rate in enumerate(found.values())]


def symbols(layout: Layout) -> Symbols:
    """Symbols of these rows."""
    time, length, first, fresh, stiff = (formulas.carried(layout.states + row) for row in range(EXTRA))
    return Symbols(
        layout=layout, states=[formulas.carried(n) for n in range(layout.states)], time=time, length=length,
        first=first, fresh=fresh, stiff=stiff,
        parameters={name: formulas.parameter(n) for n, name in enumerate(layout.model.parameter_names)},
        floor=[formulas.parameter(layout.floor + n) for n in range(layout.states)],
        flow={n: formulas.parameter(layout.flow + k) for k, n in enumerate(layout.infused)},
        modes=[formulas.parameter(row) for row in range(layout.modes, layout.stop)],
        stop=formulas.parameter(layout.stop),
    )  # fmt: skip
