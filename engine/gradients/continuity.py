"""Whether equations that switch have derivatives that go on across the switch."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from engine.dosing.schedule import Floats
from engine.errors import ModelError
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ONE, ZERO, differentiate, subtract
from engine.models.expression import Apply, Expression, evaluate, walk
from engine.models.specification import Model
from engine.models.structure import rates

_ORDERED = ("lt", "le", "gt", "ge")
_POINTS, _BISECTIONS = 40, 80
_SAME = 1e-9
_TRUE, _FALSE = Apply("lt", (ZERO, ONE)), Apply("lt", (ONE, ZERO))


@lru_cache(maxsize=256)
def check(model: Model, wrt: tuple[str, ...]) -> None:
    """Refuse rates that jump where a state, or a time that depends on the parameters asked for, passes a threshold.

    There the derivatives jump too, by an amount that the variational equations do not contain. Rates that only bend
    (``max(x - h, 0)``) are fine, and so are rates that jump at a time of parameters alone at which a difference that
    is a line in time changes sign (:mod:`engine.gradients.switching`).
    """
    for rate, (name, _) in zip(rates(model), model.derivatives, strict=True):
        for comparison in _conditions(rate):
            moving = comparison.names & {*model.state_names, *wrt}
            if not comparison.names & set(model.state_names) and _is_line(comparison):
                continue
            if moving and comparison.names & {*model.state_names, "t"} and _jumps(rate, comparison, model):
                raise ModelError(
                    f"sensitivities: in model {model.name} the rate of {name} jumps where {comparison} changes, at a "
                    f"time that depends on {', '.join(sorted(moving))}; write a rate that goes on there, such as "
                    "max(x - h, 0), or a threshold of time that is a line in t"
                )


def _is_line(comparison: Apply) -> bool:
    """Whether the difference of its sides is a line in time."""
    return "t" not in differentiate(subtract(*comparison.arguments), "t").names


def _conditions(rate: Expression) -> Iterator[Apply]:
    """Comparisons that choose between branches; equalities hold at single moments and choose nothing."""
    for node in walk(rate):
        if isinstance(node, Apply) and node.operation == "where":
            yield from (one for one in walk(node.arguments[0]) if isinstance(one, Apply) and one.operation in _ORDERED)


def _jumps(rate: Expression, comparison: Apply, model: Model) -> bool:
    """Whether the rate differs on the two sides of a threshold, judged at points on it."""
    rng = np.random.default_rng(0)
    sides = [_replaced(rate, comparison, truth) for truth in (_TRUE, _FALSE)]
    names = {*rate.names, *comparison.names}
    for along in sorted(comparison.names & {*model.state_names, "t"}):
        for _ in range(_POINTS):
            point = {name: float(value) for name, value in zip(sorted(names), rng.lognormal(0, 1, 99), strict=False)}
            root = _root(comparison, point, along)
            if root is not None and _differ(sides, point, along, root):
                return True
    return False


def _differ(sides: list[Expression], point: Mapping[str, float], along: str, root: float) -> bool:
    """Whether the sides differ at the threshold, by more than rounding leaves of what they are beside it."""
    near = np.array([root, 1.3 * root + 0.1, 0.7 * root - 0.1])
    first, second = (np.broadcast_to(evaluate(side, {**point, along: near}, ARRAYS), 3) for side in sides)
    size = np.nanmax(np.abs([first, second]), initial=0.0)
    return bool(not abs(first[0] - second[0]) <= _SAME * size)


def _root(comparison: Apply, point: Mapping[str, float], along: str) -> float | None:
    """Value of one name at which both sides of a comparison are equal, the others given; None where none is found."""

    def gap(values: Floats) -> Floats:
        known = {**point, along: values}
        left, right = (np.asarray(evaluate(side, known, ARRAYS), dtype=float) for side in comparison.arguments)
        return np.broadcast_to(left - right, values.shape)

    sizes = np.logspace(-6, 6, 97)
    grid = np.concatenate([-sizes[::-1], [0.0], sizes])
    found = gap(grid)
    if np.any(found == 0):
        return float(grid[np.argmax(found == 0)])
    change = np.flatnonzero(found[1:] * found[:-1] < 0)
    if not change.size:
        return None
    low, high = grid[change[0]], grid[change[0] + 1]
    side = np.sign(found[change[0]])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sign(gap(np.array([middle]))[0]) == side else (low, middle)
    return float((low + high) / 2)


def _replaced(tree: Expression, old: Expression, new: Expression) -> Expression:
    if tree == old:
        return new
    if isinstance(tree, Apply):
        return Apply(tree.operation, tuple(_replaced(argument, old, new) for argument in tree.arguments))
    return tree
