"""A model as another program had it, before our checks: gathered by a reader, then loaded like any text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import ModelError
from engine.models.calculus import divide, multiply
from engine.models.expression import Expression, Name, substitute
from engine.models.loading import load_model
from engine.models.specification import Model

PER_TIME = "per_time"
BARE = "to import the bare numbers, without units, ask for unitless"
_WHEN = ("lag", "duration")


@dataclass(frozen=True, slots=True)
class Draft:
    """Sections of a model's text, with expressions as trees.

    ``states`` and ``outputs`` hold the fields of the text; ``initial`` and the fields of administration are trees.
    """

    name: str
    reference: str
    time: str
    parameters: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, Mapping[str, Any]]
    let: Mapping[str, Expression]
    derivatives: Mapping[str, Expression]
    outputs: Mapping[str, Mapping[str, Any]]
    label: str = field(default="")

    def load(self, *, unitless: bool = False) -> Model:
        """Check and make the model; what nothing depends on is left out.

        Parameters
        ----------
        unitless
            Take every quantity as a bare number; one parameter, 1 per unit of time, makes rates of them.

        Raises
        ------
        ModelError
            Beginning with the file it comes from.
        """
        draft = _bare(self) if unitless else self
        try:
            return load_model(_plain(draft))
        except ModelError as error:
            of_units = " must be " in str(error) or ": cannot " in str(error)
            hint = f" ({BARE})" if of_units and not unitless else ""
            raise ModelError(f"{self.label}: {str(error).removeprefix(f'model {self.name}, ')}{hint}") from None


def _plain(draft: Draft) -> dict[str, Any]:
    needed = _needed(draft)
    return {
        "name": draft.name,
        "reference": draft.reference,
        "time": draft.time,
        "parameters": {name: dict(given) for name, given in draft.parameters.items() if name in needed},
        "states": {name: _texts(given) for name, given in draft.states.items()},
        "let": {name: str(expression) for name, expression in draft.let.items() if name in needed},
        "derivatives": {name: str(expression) for name, expression in draft.derivatives.items()},
        "outputs": {name: _texts(given) for name, given in draft.outputs.items()},
    }


def _texts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Expression) else value for key, value in given.items()}


def _needed(draft: Draft) -> set[str]:
    """Names that something the model computes depends on."""
    waiting = [*draft.derivatives.values(), *_trees(draft.states), *_trees(draft.outputs)]
    needed: set[str] = set()
    while waiting:
        found = waiting.pop().names - needed
        needed |= found
        waiting += [draft.let[name] for name in found if name in draft.let]
    return needed


def _trees(section: Mapping[str, Mapping[str, Any]]) -> Iterable[Expression]:
    return [value for given in section.values() for value in given.values() if isinstance(value, Expression)]


def _bare(draft: Draft) -> Draft:
    """Give every quantity the unit 1; time enters and leaves through the parameter ``per_time``."""
    taken = {*draft.parameters, *draft.states, *draft.let, *draft.outputs}
    rate = PER_TIME
    while rate in taken:
        rate += "_"
    per_time = Name(rate)
    clock: Mapping[str, Expression] = {"t": multiply(Name("t"), per_time)}
    meaning = f"makes a rate per {draft.time} of a bare number; {draft.label} is read without units"
    one = {rate: {"unit": f"1/{draft.time}", "meaning": meaning, "value": 1.0, "source": "by definition"}}
    return replace(
        draft,
        parameters={name: {**given, "unit": "1"} for name, given in draft.parameters.items()} | one,
        states={name: _timed(given, per_time) for name, given in draft.states.items()},
        let={name: substitute(expression, clock) for name, expression in draft.let.items()},
        derivatives={
            name: multiply(substitute(expression, clock), per_time) for name, expression in draft.derivatives.items()
        },
        outputs={
            name: {**given, "unit": "1", "value": substitute(given["value"], clock)}
            for name, given in draft.outputs.items()
        },
    )


def _timed(given: Mapping[str, Any], per_time: Expression) -> dict[str, Any]:
    """Fields of a state whose amounts are bare numbers, lags in time and rates per time."""
    found = {**given, "unit": "1"}
    found |= {key: divide(given[key], per_time) for key in _WHEN if key in given}
    if "rate" in given:
        found["rate"] = multiply(given["rate"], per_time)
    return found
