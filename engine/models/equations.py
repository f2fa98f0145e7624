"""A model's equations evaluated over any algebra: one text, many kinds of value.

Every function takes the algebra's values by name and gives values by name. A let entry is evaluated once, and only
where it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from engine.models.expression import Algebra, Expression, evaluate
from engine.models.specification import Model
from engine.models.tape import Tape, tape


class Administration(NamedTuple):
    """How a dose enters a state, in the algebra's values."""

    lag: Any
    bioavailability: Any
    duration: Any | None
    rate: Any | None


def initial(model: Model, algebra: Algebra, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Value of each state before any dose; zero where the model gives none."""
    given = {state.name: state.initial for state in model.states if state.initial is not None}
    values = _evaluate(model, given, algebra, parameters)
    return {name: values.get(name, algebra.number(0.0)) for name in model.state_names}


def derivatives(
    model: Model, algebra: Algebra, t: Any, states: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Rate of change of each state at time ``t``, without doses, in the order of the model's states."""
    return _evaluate(model, dict(model.derivatives), algebra, {**parameters, **states, "t": t})


def outputs(
    model: Model, algebra: Algebra, t: Any, states: Mapping[str, Any], parameters: Mapping[str, Any],
    *, only: Iterable[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Quantities the model reports at time ``t``: all, or those named by ``only`` (with the states they need)."""
    asked = set(model.output_names if only is None else only)
    wanted = {output.name: output.value for output in model.outputs if output.name in asked}
    return _evaluate(model, wanted, algebra, {**parameters, **states, "t": t})


def administration(model: Model, algebra: Algebra, parameters: Mapping[str, Any]) -> dict[str, Administration]:
    """Lag, bioavailability, duration and rate of the doses into each state.

    A lag the model does not give is 0 and a bioavailability 1; a duration or rate it does not give is None.
    """
    absent = Administration(algebra.number(0.0), algebra.number(1.0), None, None)
    result = {}
    for state in model.states:
        given = {field: getattr(state, field) for field in Administration._fields}
        wanted = {field: expression for field, expression in given.items() if expression is not None}
        result[state.name] = absent._replace(**_evaluate(model, wanted, algebra, parameters))
    return result


def let_used(model: Model, expressions: Iterable[Expression]) -> list[tuple[str, Expression]]:
    """Let entries the expressions need, directly or through others, in the order to evaluate them."""
    needed: set[str] = set().union(*(expression.names for expression in expressions))
    used = []
    for name, expression in reversed(model.let):
        if name in needed:
            used.append((name, expression))
            needed |= expression.names
    return used[::-1]


def evaluate_all(
    model: Model, wanted: Sequence[Expression], algebra: Algebra, names: Mapping[str, Any]
) -> list[Any]:  # fmt: skip
    """Values of expressions that may use the model's let entries; what several of them use is computed once."""
    if algebra.bare:
        return _tape(model, tuple(wanted)).play(names, algebra)
    known = dict(names)
    for name, expression in let_used(model, wanted):
        known[name] = evaluate(expression, known, algebra)
    return [evaluate(expression, known, algebra) for expression in wanted]


@lru_cache(maxsize=512)
def _tape(model: Model, wanted: tuple[Expression, ...]) -> Tape:
    return tape(wanted, tuple(let_used(model, wanted)))


def _evaluate(
    model: Model, wanted: Mapping[str, Expression], algebra: Algebra, names: Mapping[str, Any]
) -> dict[str, Any]:
    found = evaluate_all(model, tuple(wanted.values()), algebra, names)
    return dict(zip(wanted, found, strict=True))
