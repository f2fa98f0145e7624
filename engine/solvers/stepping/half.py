"""The linear part of a model inside a compiled step: exact at every stage, so that steps follow the rest alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.solvers import formulas
from engine.solvers.stepping.modes import Modes, Shape

type Pair = tuple[int, int]
type Floats = NDArray[np.float64]

_NEAR = 0.5
"""Up to here, in rates times length, states are computed as a change from the start."""
_STILL = 1e-200
"""Rate of a mode that does not change, so that nothing is divided by 0."""


class Half(NamedTuple):
    """States (numbers in the model) as sums of exponentials from the start of the step.

    ``start`` are the states there; ``rate`` of each mode; ``part`` and ``driven``, by mode and state within the linear
    part, what the mode carries of the states at the start and of what flows in.
    """

    states: tuple[int, ...]
    start: list[Any]
    rate: list[Any]
    part: dict[Pair, Any]
    driven: dict[Pair, Any]

    def at(self, length: Any) -> dict[int, Any]:
        """States after a length of time, by number.

        Shortly after the start as a change from it: an amount that is absorbed from 0 on is not lost, nor negative.
        """
        angle = [rate * length for rate in self.rate]
        decay, change = [formulas.exp(one) for one in angle], [formulas.expm1(one) for one in angle]
        near = formulas.gt(formulas.total(angle), formulas.number(-_NEAR))
        found = {}
        for n, state in enumerate(self.states):
            driven = [change[k] / self.rate[k] * self.driven[k, i] for k, i in self.driven if i == n]
            far = [decay[k] * self.part[k, i] for k, i in self.part if i == n]
            rise = [change[k] * self.part[k, i] for k, i in self.part if i == n]
            found[state] = formulas.select(
                near, self.start[n] + formulas.total(rise + driven), formulas.total(far + driven)
            )
        return found

    def rows(self) -> list[Any]:
        """Everything, as rows of the dense output."""
        return [*self.rate, *self.part.values(), *self.driven.values()]


def pairs(form: Shape) -> list[Pair]:
    """Mode and state wherever the mode shows in the state."""
    count = len(form.states)
    return [(k, i) for k in range(count) for i in range(count) if form.reaches[k][i]]


def count(form: Shape) -> int:
    """Rows of parameters of the modes: rates, right and left vectors, forcing."""
    return len(form.states) + 2 * len(pairs(form)) + (len(form.states) if form.forced else 0)


def parameters(form: Shape, modes: Modes, rows: Floats) -> None:
    """Fill in the rows of parameters, (row, subject)."""
    both = pairs(form)
    rate = np.where(modes.rate == 0, _STILL, modes.rate)
    values = [*rate, *(modes.right[k, i] for k, i in both), *(modes.left[k, i] for i, k in both)]
    for row, one in zip(rows, [*values, *modes.forcing] if form.forced else values, strict=True):
        row[:] = one


def begin(form: Shape, rows: Sequence[Any], states: Sequence[Any], flow: dict[int, Any]) -> Half:
    """Half at the start of a step: ``rows`` of parameters as :func:`count` counts them, states and inflows."""
    size, both = len(form.states), pairs(form)
    rate, right = list(rows[:size]), dict(zip(both, rows[size:], strict=False))
    left = dict(zip(both, rows[size + len(both) :], strict=False))
    inflow = {i: [flow[n]] for i, n in enumerate(form.states) if n in flow}
    if form.forced:
        for i, entry in enumerate(rows[size + 2 * len(both) :]):
            inflow.setdefault(i, []).append(entry)

    def project(mode: int, values: dict[int, Any]) -> Any:
        # The left vector of a mode has the states that influence its home.
        return [left[i, mode] * values[i] for i in values if (i, mode) in left]

    now = {i: states[n] for i, n in enumerate(form.states)}
    coming = {i: formulas.total(terms) for i, terms in inflow.items()}
    here = [formulas.total(project(k, now)) for k in range(size)]
    fed = {k: formulas.total(terms) for k in range(size) if (terms := project(k, coming))}
    return Half(
        form.states, list(now.values()), rate, {(k, i): right[k, i] * here[k] for k, i in both},
        {(k, i): right[k, i] * fed[k] for k, i in both if k in fed},
    )  # fmt: skip


def sampled(form: Shape, states: Sequence[Any], rows: Sequence[Any], flowing: Sequence[int]) -> Half:
    """Half read back from the states at the start of the step and the rows of the dense output."""
    size, both = len(form.states), pairs(form)
    fed = set(range(size)) if form.forced else {i for i, n in enumerate(form.states) if n in flowing}
    modes = {k for k in range(size) for i in fed if form.reaches[i][k]}
    driven = [(k, i) for k, i in both if k in modes]
    first, second = size, size + len(both)
    return Half(
        form.states, [states[n] for n in form.states], list(rows[:size]),
        dict(zip(both, rows[first:second], strict=False)), dict(zip(driven, rows[second:], strict=False)),
    )  # fmt: skip
