"""A control stream's equations as a draft of our model: units, values and meanings of everything."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.errors import ModelError
from engine.interchange.advans import GENERAL, dimension
from engine.interchange.draft import BARE, Draft
from engine.interchange.individuals import Individuals
from engine.interchange.measures import Measures
from engine.interchange.predictions import Predictions
from engine.interchange.scaling import SCALE, Prediction, prediction
from engine.interchange.streams import Stream
from engine.interchange.structures import Structure
from engine.models.algebras.units import UNITS, unit
from engine.models.calculus import divide
from engine.models.expression import Expression, Name, evaluate, substitute

_MEANINGS = {"CL": "clearance", "V": "volume", "Q": "clearance between compartments", "KA": "absorption rate constant",
             "K": "rate constant", "VM": "greatest rate of elimination", "KM": "amount of half that rate",
             "VSS": "volume at steady state", "ALAG": "delay of doses", "F": "fraction of a dose that arrives",
             "D": "duration of infusions", "R": "rate of infusions", "S": "scale of the prediction"}  # fmt: skip


class Units(NamedTuple):
    """Units the caller gives: by name, and of time, amounts and volumes."""

    given: Mapping[str, str]
    time: str
    amount: str
    volume: str
    unitless: bool

    def of(self, dimensions: str) -> str:
        """Text of a dimension such as ``volume/time``."""
        words = {"volume": self.volume, "time": self.time, "amount": self.amount, "1": "1"}
        return "/".join(words[word] for word in dimensions.split("/"))


def draft_of(
    stream: Stream, structure: Structure, people: Individuals, found: Predictions, units: Units, *,
    value: Callable[[Expression], float | None], name: str,
) -> tuple[Draft, dict[str, str]]:  # fmt: skip
    """Draft of the model, and why quantities of $ERROR are left out of it."""
    if unknown := _unknown(stream, structure, people, found, units):
        raise ModelError(f"{people.label}: units: there is no {', '.join(unknown)} in it")
    states = _state_units(stream, structure, units)
    declared = _units(stream, structure, people, states, units)
    let = _together(structure, people)
    measures = Measures({**declared, **states, "t": units.time}, let)
    predicted = _predicted(structure, found, units, measures, people.label)
    outputs, left_out = _outputs(found, predicted, measures, units, people.label)
    shown = {one: displayed(one, structure, people) for one in people.parameters}
    rename: dict[str, Expression] = {one: Name(other) for one, other in shown.items() if one != other}
    parameters = {
        shown[one]: _parameter(one, tree, declared[one], stream, people.label, value(tree))
        for one, tree in people.parameters.items()
    }
    if predicted.scale is not None:
        parameters[SCALE] = predicted.scale
    fields = {
        state: {"unit": text} | {field: substitute(tree, rename) for field, tree in found.starts[state].items()}
        for state, text in states.items()
    }
    return Draft(
        name=name,
        reference=f"{stream.problem or name}. NONMEM control stream {people.label}",
        time=units.time, parameters=parameters, states=fields,
        let={one: substitute(tree, rename) for one, tree in let.items()},
        derivatives={one: substitute(tree, rename) for one, tree in structure.derivatives.items()},
        outputs={one: {**row, "value": substitute(row["value"], rename)} for one, row in outputs.items()},
        label=people.label,
    ), left_out  # fmt: skip


def displayed(name: str, structure: Structure, people: Individuals) -> str:
    """Name of a parameter in our model: ``THETA__1`` is ``THETA_1``, an initial amount its state's with ``_0``."""
    if (match := re.fullmatch(r"A_0__(\d+)", name)) and 1 <= int(match[1]) <= len(structure.states):
        name = f"{structure.states[int(match[1]) - 1]}_0"
    plain = name.replace("__", "_")
    while plain != name and plain in {*people.code, *people.columns, *structure.states, *structure.let}:
        plain += "_"
    return plain


def _unknown(
    stream: Stream, structure: Structure, people: Individuals, found: Predictions, units: Units
) -> list[str]:  # fmt: skip
    numbered = [f"A({number})" for number in range(1, len(structure.states) + 1)]
    outputs = [one.name for one in found.candidates]
    shown = [displayed(one, structure, people) for one in people.parameters]
    known = {*people.code, *people.columns, *stream.compartments, *structure.states, *numbered, *outputs, *shown, "F"}
    return [name for name in units.given if name not in known]


def _state_units(stream: Stream, structure: Structure, units: Units) -> dict[str, str]:
    named = stream.compartments or structure.states
    result = {}
    for number, (state, compartment) in enumerate(zip(structure.states, named, strict=False), 1):
        given = [units.given[key] for key in (compartment, state, f"A({number})") if key in units.given]
        result[state] = given[0] if given else units.amount
    return result


def _units(
    stream: Stream, structure: Structure, people: Individuals, states: Mapping[str, str], units: Units
) -> dict[str, str]:  # fmt: skip
    """Unit of each parameter; one error names all that are missing."""
    found, missing = {}, []
    for name in people.parameters:
        text = _unit(name, stream, structure, states, units)
        given = units.given.get(name) or units.given.get(displayed(name, structure, people))
        found[name] = given or text or "1"
        if not (given or text or units.unitless):
            missing.append(displayed(name, structure, people))
    if missing:
        raise ModelError(
            f"{people.label}: a control stream has no units; name those of {', '.join(missing)} in units, for instance "
            f"units={{'{missing[0]}': '1/{units.time}'}} ({BARE})"
        )
    return found


def _unit(
    name: str, stream: Stream, structure: Structure, states: Mapping[str, str], units: Units
) -> str | None:  # fmt: skip
    """Unit that a name's place in NONMEM gives it, None when it has none."""
    if match := re.fullmatch(r"(ALAG|F|D|R|S|A_0__)(\d+)", name):
        kind, number = match[1], int(match[2])
        own = list(states.values())[number - 1] if 1 <= number <= len(states) else units.amount
        return {"ALAG": units.time, "D": units.time, "F": "1", "R": f"{own}/{units.time}", "S": units.volume}.get(
            kind, own
        )
    if name.startswith("ETA__"):
        return "1"
    dimensions = structure.dimensions.get(name) or ("" if stream.advan in GENERAL else dimension(name))
    return units.of(dimensions) if dimensions else None


def _together(structure: Structure, people: Individuals) -> dict[str, Expression]:
    if both := sorted(structure.let.keys() & (people.let.keys() | people.parameters.keys())):
        raise ModelError(f"{people.label}: {both[0]} is assigned in $ERROR and in $DES")
    return {**people.let, **structure.let}


def _predicted(
    structure: Structure, found: Predictions, units: Units, measures: Measures, label: str
) -> Prediction:  # fmt: skip
    amount = Name(structure.states[structure.observed - 1])
    if units.unitless:
        return Prediction(amount if found.scale is None else divide(amount, found.scale), "1", None)
    return prediction(amount, found.scale, measures, units.given.get("F"), label)


def _outputs(
    found: Predictions, predicted: Prediction, measures: Measures, units: Units, label: str
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:  # fmt: skip
    """Outputs by name; one whose units do not fit is left out, unless it was asked for."""
    result: dict[str, dict[str, Any]] = {
        "F": {"value": predicted.value, "unit": predicted.unit, "meaning": "prediction of the observed compartment"}
    }
    left_out = dict(found.left_out)
    if predicted.scale is not None:
        measures[SCALE] = unit(str(predicted.scale["unit"]))
    for name, tree in found.candidates:
        value = substitute(tree, {"F": predicted.value})
        try:
            text = "1" if units.unitless else units.given.get(name) or str(evaluate(value, measures, UNITS))
        except ModelError as error:
            if name in found.asked:
                raise ModelError(f"{label}: outputs: {name}: {error} ({BARE})") from None
            left_out[name] = f"its units do not fit: {error}"
            continue
        result[name] = {"value": value, "unit": text, "meaning": f"{name} of $ERROR"}
    return result, left_out


def _parameter(
    name: str, equation: Expression, text: str, stream: Stream, label: str, value: float | None
) -> dict[str, Any]:  # fmt: skip
    """Fields of a parameter; its equation is the source of its value."""
    used = [theta for number, theta in enumerate(stream.thetas, 1) if f"THETA__{number}" in equation.names]
    labels = [theta.label for theta in used if theta.label]
    known = _MEANINGS.get(re.sub(r"[\d_]+$", "", name)) or (labels[0] if len(labels) == 1 else "") or name
    written = str(equation).replace("__", "_")
    given: dict[str, Any] = {"unit": text, "meaning": known}
    if value is not None:
        given["value"] = value
    shown = written if len(written) <= 300 else f"{written[:297]}..."
    return given | {"source": f"{label}: {shown}"}
