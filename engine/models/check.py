"""What must hold before a model is one: names, order of definitions, units."""

import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from engine.errors import ModelError
from engine.models.algebras.units import UNITS, Measure, difference, same, unit
from engine.models.expression import Expression, evaluate
from engine.models.operations import CONSTANTS, OPERATIONS
from engine.models.reading import Keys, Source, suggest
from engine.models.specification import Model

RESERVED = frozenset(
    {"t", "time", "subject", "replicate", "occasion", "status", "amount", "dose_time", "visit", "administration",
     "observation", *OPERATIONS, *CONSTANTS}
)  # fmt: skip
"""Names with a meaning of their own in expressions or in the datasets a simulation returns."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_names(model: Model, source: Source) -> None:
    """Refuse names that are malformed, reserved, doubled, or unknown where they are used."""
    if not _NAME.fullmatch(model.name):
        raise source.refuse(f"a name is letters, digits and _, got {model.name!r}", "name")
    _check_declared(model, source)
    _check_derivatives(model, source)
    for keys, expression, allowed in _uses(model):
        for name in sorted(expression.names - allowed):
            known = _declared(model) | {"t"}
            reason = "cannot be used here" if name in known else f"is not known{suggest(name, allowed)}"
            raise source.refuse(f"{expression}: {name!r} {reason}{_allowed_here(keys)}", *keys)


def order(model: Model, source: Source) -> Model:
    """Put let entries after those they use (a circle is refused), and derivatives in the order of the states."""
    let = dict(model.let)
    graph = {name: [used for used in let if used in expression.names] for name, expression in model.let}
    try:
        names = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise source.refuse(f"defined by itself: {' -> '.join(reversed(circle))}", "let", circle[0]) from None
    rates = dict(model.derivatives)
    derivatives = tuple((name, rates[name]) for name in model.state_names)
    return replace(model, let=tuple((name, let[name]) for name in names), derivatives=derivatives)


def check_units(model: Model, source: Source) -> None:
    """Refuse an equation whose two sides have different units, in dimension or in scale."""
    time = _unit(source, model.time, "time")
    if not time.unit.is_compatible_with("hour"):
        raise source.refuse(f"a unit of time is wanted, got {model.time!r}", "time")
    known = {"t": time}
    for section, declared in (("parameters", model.parameters), ("states", model.states)):
        known |= {entry.name: _unit(source, entry.unit, section, entry.name, "unit") for entry in declared}
    for name, expression in model.let:
        known[name] = _measure(source, expression, known, "let", name)
    for keys, expression, wanted, what in _sides(model, source, known):
        found = _measure(source, expression, known, *keys)
        if not same(found, wanted):
            message = f"{expression} is in {found}, but {what} must be in {wanted}: {difference(found, wanted)}"
            raise source.refuse(message, *keys)


def check_used(model: Model, source: Source) -> None:
    """Refuse a parameter or let entry that changes nothing: most likely a name was mistyped elsewhere."""
    used: set[str] = set().union(*(expression.names for _, expression, _ in _uses(model)))
    declared: Iterable[Keys] = [("parameters", name) for name in model.parameter_names]
    for section, name in (*declared, *(("let", name) for name, _ in model.let)):
        if name not in used:
            raise source.refuse(f"{name!r} is used nowhere; remove it or use it", section, name)


def _check_declared(model: Model, source: Source) -> None:
    seen: dict[str, str] = {}
    sections = {
        "parameters": model.parameter_names,
        "states": model.state_names,
        "let": [name for name, _ in model.let],
    }
    for section, names in sections.items():
        for name in names:
            _check_name(source, name, section)
            if name in seen:
                raise source.refuse(f"{name!r} is already one of the {seen[name]}", section, name)
            seen[name] = section
    for name in model.output_names:
        _check_name(source, name, "outputs")
        if name in model.parameter_names:
            raise source.refuse(f"{name!r} is already a parameter; give the output another name", "outputs", name)


def _check_name(source: Source, name: str, section: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise source.refuse(f"a name is letters, digits and _ and no word of Python, got {name!r}", section, name)
    if name in RESERVED:
        raise source.refuse(f"the name {name!r} is reserved; write for instance {name}_", section, name)


def _check_derivatives(model: Model, source: Source) -> None:
    given = [name for name, _ in model.derivatives]
    for name in given:
        if name not in model.state_names:
            hint = suggest(name, model.state_names)
            raise source.refuse(
                f"{name!r} is not a state{hint}; states are {', '.join(model.state_names)}", "derivatives", name
            )
    if missing := [name for name in model.state_names if name not in given]:
        raise source.refuse(f"no derivative for {', '.join(missing)}", "derivatives")


def _declared(model: Model) -> frozenset[str]:
    return frozenset((*model.parameter_names, *model.state_names, *(name for name, _ in model.let)))


def _still(model: Model) -> frozenset[str]:
    """Parameters, and let entries made of nothing but parameters: what a dose or a start may depend on."""
    known = set(model.parameter_names)
    for _ in model.let:
        known |= {name for name, expression in model.let if expression.names <= known}
    return frozenset(known)


def _uses(model: Model) -> Iterator[tuple[Keys, Expression, frozenset[str]]]:
    """Every expression with where it stands and the names it may use."""
    anything, still = _declared(model) | {"t"}, _still(model)
    for name, expression in model.let:
        yield ("let", name), expression, anything
    for name, expression in model.derivatives:
        yield ("derivatives", name), expression, anything
    for output in model.outputs:
        yield ("outputs", output.name, "value"), output.value, anything
    for keys, expression in _starts(model):
        yield keys, expression, still


def _starts(model: Model) -> Iterator[tuple[Keys, Expression]]:
    for state in model.states:
        for field in ("lag", "bioavailability", "duration", "rate", "initial"):
            if (expression := getattr(state, field)) is not None:
                yield ("states", state.name, field), expression


def _allowed_here(keys: Keys) -> str:
    return "; it may use parameters, and let entries made of parameters only" if keys[0] == "states" else ""


def _unit(source: Source, text: str, *keys: str) -> Measure:
    try:
        return unit(text)
    except ModelError as error:
        raise source.refuse(str(error), *keys) from None


def _measure(source: Source, expression: Expression, known: dict[str, Measure], *keys: str) -> Measure:
    try:
        found: Measure = evaluate(expression, known, UNITS)
    except ModelError as error:
        raise source.refuse(f"{expression}: {error}", *keys) from None
    return found


def _sides(model: Model, source: Source, known: dict[str, Measure]) -> Iterator[tuple[Keys, Expression, Measure, str]]:
    """Every expression whose unit is prescribed: where it stands, itself, the unit, and what it is."""
    time, one = known["t"], unit("1")
    for name, expression in model.derivatives:
        yield ("derivatives", name), expression, Measure(known[name].unit / time.unit), f"d {name}/dt"
    for state in model.states:
        own = known[state.name]
        wanted = {"lag": time, "bioavailability": one, "duration": time, "initial": own,
                  "rate": Measure(own.unit / time.unit)}  # fmt: skip
        for field, measure in wanted.items():
            if (expression := getattr(state, field)) is not None:
                yield ("states", state.name, field), expression, measure, f"{field} of {state.name}"
    for output in model.outputs:
        wanted_unit = _unit(source, output.unit, "outputs", output.name, "unit")
        yield ("outputs", output.name, "value"), output.value, wanted_unit, f"output {output.name}"
