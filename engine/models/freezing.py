"""Models whose equations switch, with each comparison's outcome held by a parameter: smooth as long as it is held.

``min(a, b)``, ``max(a, b)`` and ``abs(a)`` are comparisons of their arguments. A comparison of parameters alone does
not change and stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.models.calculus import ZERO, differentiate, subtract
from engine.models.expression import Apply, Expression, Name, Number
from engine.models.operations import COMPARISONS
from engine.models.specification import Model, Parameter
from engine.models.structure import rates

_HELD = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switch:
    """A comparison of a difference with 0, whose outcome the parameter ``held`` has (1 or 0)."""

    held: str
    operation: str
    difference: Expression

    def outcome(self, difference: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the comparison holds where the difference has these values."""
        found: NDArray[np.bool_] = _HELD[self.operation](difference, 0.0)
        return found


@dataclass(frozen=True, slots=True)
class Frozen:
    """A model with held outcomes, and its switches; a difference may use the outcomes of switches before it."""

    model: Model
    switches: tuple[Switch, ...]


@lru_cache(maxsize=64)
def freeze(model: Model) -> Frozen | None:
    """Model with the outcomes of its switches held; None when it has no switch."""
    found: dict[Expression, Switch] = {}
    varying = frozenset((*model.state_names, "t"))
    frozen = tuple(_hold(rate, varying, found) for rate in rates(model))
    if not found:
        return None
    held = tuple(Parameter(switch.held, "1", "outcome of a comparison") for switch in found.values())
    derivatives = tuple(zip(model.state_names, frozen, strict=True))
    whole = replace(
        model, name=f"{model.name}, held", parameters=(*model.parameters, *held), let=(), derivatives=derivatives,
        outputs=(),
    )  # fmt: skip
    return Frozen(whole, tuple(found.values()))


@lru_cache(maxsize=256)
def root_in_time(switch: Switch, states: tuple[str, ...]) -> tuple[Expression, Expression] | None:
    """Value at time 0 and slope of a difference that is a line in time, of parameters alone; None when it is not."""
    slope = differentiate(switch.difference, "t")
    names = switch.difference.names
    if "t" not in names or names & set(states) or "t" in slope.names:
        return None
    from engine.models.expression import substitute

    return substitute(switch.difference, {"t": ZERO}), slope


def _hold(expression: Expression, varying: frozenset[str], found: dict[Expression, Switch]) -> Expression:
    if not isinstance(expression, Apply):
        return expression
    arguments = tuple(_hold(argument, varying, found) for argument in expression.arguments)
    operation = expression.operation
    if operation in COMPARISONS and expression.names & varying:
        return _held(operation, arguments, found)
    if operation in _CHOICES and expression.names & varying:
        return _CHOICES[operation](lambda a, b: _held("lt", (a, b), found), *arguments)
    return Apply(operation, arguments)


def _held(operation: str, arguments: tuple[Expression, ...], found: dict[Expression, Switch]) -> Expression:
    """Comparison of the parameter that holds the outcome; a thing compared with itself never changes."""
    if arguments[0] == arguments[1]:
        return Apply(operation, (ZERO, ZERO))
    key = Apply(operation, arguments)
    if key not in found:
        found[key] = Switch(f"held {len(found)}", operation, subtract(*arguments))
    return Apply("gt", (Name(found[key].held), Number(0.5)))


type _Compare = Callable[[Expression, Expression], Expression]

_CHOICES: Mapping[str, Callable[..., Expression]] = {
    "min": lambda less, a, b: Apply("where", (less(a, b), a, b)),
    "max": lambda less, a, b: Apply("where", (less(a, b), b, a)),
    "abs": lambda less, a: Apply("where", (less(a, ZERO), Apply("neg", (a,)), a)),
}
