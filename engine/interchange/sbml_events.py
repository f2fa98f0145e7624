"""SBML's events, where they can be said as a ``where``."""

from typing import Any, NamedTuple

from engine.errors import ModelError
from engine.interchange.sbml_gathering import Gathered
from engine.interchange.sbml_math import Mathematics
from engine.interchange.sbml_rules import at_start
from engine.models.calculus import add, choose
from engine.models.expression import Apply, Expression, Name, Number

_OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


class _Setting(NamedTuple):
    """One event's effect on one quantity."""

    event: str
    trigger: Expression
    value: Expression
    since: float | None
    """Time from which it holds, None when the trigger is no time that is known as a number."""


def apply_events(found: Gathered) -> None:
    """Make a let entry of each quantity that events set."""
    settings: dict[str, list[_Setting]] = {}
    mathematics = found.mathematics()
    for number in range(found.model.getNumEvents()):
        for identifier, setting in _read(found, found.model.getEvent(number), mathematics).items():
            settings.setdefault(identifier, []).append(setting)
    for identifier, given in settings.items():
        name = found.names[identifier]
        before = found.free(f"{name}_before")
        if name in found.let:
            found.let[before] = found.let[name]
        else:
            found.parameters[before] = found.parameters.pop(name)
            found.units[before] = found.parameters[before]["unit"]
        found.let[name] = _course(identifier, Name(before), given)
        found.shown.append(identifier)


def _read(found: Gathered, event: Any, mathematics: Mathematics) -> dict[str, _Setting]:
    called = event.getId() or event.getName() or "event"
    if event.getTrigger() is None or event.getTrigger().getMath() is None:
        raise ModelError(f"event {called} has no trigger")
    trigger = _tidy(mathematics.read_condition(event.getTrigger().getMath()))
    if _never(event.getTrigger(), trigger):
        return {}
    delay = mathematics.read(event.getDelay().getMath()) if event.isSetDelay() else Number(0.0)
    trigger = _delayed(called, trigger, delay)
    result = {}
    for number in range(event.getNumEventAssignments()):
        assignment = event.getEventAssignment(number)
        identifier = assignment.getVariable()
        value = mathematics.read(assignment.getMath())
        _check(found, called, identifier, value)
        result[identifier] = _Setting(called, trigger, value, _since(found, trigger))
    return result


def _never(declared: Any, trigger: Expression) -> bool:
    """Whether a trigger counts as true before the start and is true from then on: it never becomes true."""
    match trigger:
        case Apply("ge", (Name("t"), Number(value))):
            return bool(declared.getInitialValue()) and value <= 0
    return False


def _check(found: Gathered, event: str, identifier: str, value: Expression) -> None:
    if identifier not in found.names:
        raise ModelError(f"event {event} sets {identifier!r}, which is not declared")
    if found.names[identifier] in found.states:
        raise ModelError(
            f"event {event} changes the state {identifier} at an instant, which equations cannot say; take the event "
            "out and give it as a dose"
        )
    if found.names[identifier] not in {*found.parameters, *found.let}:
        raise ModelError(f"event {event} sets {identifier}, which cannot be expressed")
    varying = sorted(name for name in value.names if name == "t" or name in found.states)
    if varying or at_start(found, value) != value or found.names[identifier] in value.names:
        raise ModelError(
            f"event {event} sets {identifier} to {value}, a value that depends on the moment; only what is made of "
            "constants can be expressed"
        )


def _delayed(event: str, trigger: Expression, delay: Expression) -> Expression:
    if delay == Number(0.0):
        return trigger
    match trigger:
        case Apply(operation, (Name("t"), threshold)) if operation in ("ge", "gt"):
            return Apply(operation, (Name("t"), add(threshold, delay)))
    raise ModelError(f"event {event} has a delay after a condition that is not t > a time, which cannot be expressed")


def _since(found: Gathered, trigger: Expression) -> float | None:
    """Time from which a trigger of the form ``t >= time`` holds, as a number."""
    match trigger:
        case Apply("ge" | "gt", (Name("t"), Number(value))):
            return value
        case Apply("ge" | "gt", (Name("t"), Name(name))) if name in found.parameters:
            return found.parameters[name].get("value")
    return None


def _course(identifier: str, before: Expression, given: list[_Setting]) -> Expression:
    """Value of a quantity in time: as its events set it, one after the other."""
    if len(given) == 1 and _is_time(given[0].trigger):
        return choose(given[0].trigger, given[0].value, before)
    if len({setting.since for setting in given}) == len(given) and all(one.since is not None for one in given):
        course = before
        for setting in sorted(given, key=lambda setting: setting.since or 0.0):
            course = choose(setting.trigger, setting.value, course)
        return course
    if len(given) == 2 and given[1].trigger == _opposite(given[0].trigger):
        return choose(given[0].trigger, given[0].value, given[1].value)
    events = ", ".join(setting.event for setting in given)
    raise ModelError(
        f"{identifier} is set by {events}, whose conditions are neither different times nor a pair of opposites: a "
        "quantity that keeps what an event set cannot be expressed"
    )


def _tidy(condition: Expression) -> Expression:
    """Write a comparison with time on its left."""
    match condition:
        case Apply(operation, (left, Name("t"))) if operation in _MIRRORED:
            return Apply(_MIRRORED[operation], (Name("t"), left))
    return condition


def _is_time(trigger: Expression) -> bool:
    """Whether a trigger becomes true at a time that does not depend on states, and stays so."""
    match trigger:
        case Apply("ge" | "gt", (Name("t"), threshold)):
            return "t" not in threshold.names
    return False


def _opposite(trigger: Expression) -> Expression | None:
    """Condition that holds when this one does not, boundaries aside."""
    match trigger:
        case Apply("not", (inner,)):
            return inner
        case Apply(operation, arguments) if operation in _OPPOSITE:
            return Apply(_OPPOSITE[operation], arguments)
    return None
