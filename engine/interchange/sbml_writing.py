"""A model as SBML Level 3 Version 2 Core (Hucka et al. 2019, doi:10.1515/jib-2019-0021)."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from engine.errors import ModelError
from engine.interchange.mathml import content
from engine.interchange.notation import rename
from engine.interchange.sbml_units import identifier, parts
from engine.models.algebras.units import UNITS, unit
from engine.models.expression import Apply, Expression, evaluate, parse, walk
from engine.models.specification import Model, Output, Parameter, State

CORE = "http://www.sbml.org/sbml/level3/version2/core"
OURS = "urn:trialtwin:sbml"
"""Namespace of what SBML has no place for: meanings, sources, our own text of a unit, outputs, how doses enter."""
STARTS = ("lag", "bioavailability", "duration", "rate")
# What our words mean that MathML lacks: SBML's function definitions.
DEFINED: Mapping[str, str] = {"expm1": "exp(x) - 1", "log1p": "log(1 + x)"}


def write_sbml(model: Model) -> str:
    """Write a model as SBML text.

    States become parameters with rate rules (their units are free, as ours are), let entries and outputs assignment
    rules, initial values initial assignments. Lags, bioavailabilities and modelled infusions, which SBML does not know,
    are parameters with assignment rules and a note in our namespace; ``read_sbml`` reads an equal model back. Doses
    stay in the event table.
    """
    names, units = _names(model), _units(model)
    time = units[model.time]
    root = Element("sbml", {"xmlns": CORE, "level": "3", "version": "2"})
    body = SubElement(root, "model", {"id": names["model"], "name": model.name, "timeUnits": time})
    _note(body, model.reference)
    _annotate(body, "model", {"name": model.name, "time": model.time, "reference": model.reference})
    _define_functions(body, model)
    _define_units(body, units)
    listed = SubElement(body, "listOfParameters")
    for quantity in _quantities(model, names):
        _parameter(listed, quantity, units)
    _assign(SubElement(body, "listOfInitialAssignments"), "initialAssignment", "symbol", _initial(model), names)
    rules = SubElement(body, "listOfRules")
    _assign(rules, "assignmentRule", "variable", _assigned(model, names), names)
    _assign(rules, "rateRule", "variable", model.derivatives, names)
    for section in [section for section in body if section.tag.startswith("listOf") and not len(section)]:
        body.remove(section)
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _names(model: Model) -> dict[str, str]:
    """SBML's identifier of the model, of outputs (``output.NAME``) and of how doses enter (``STATE.FIELD``)."""
    used = {*model.parameter_names, *model.state_names, *(name for name, _ in model.let)}
    outputs = {f"output.{name}": name for name in model.output_names}
    starts = {f"{state.name}.{field}": f"{state.name}_{field}" for state, field, _ in _starts(model)}
    called = {"model": model.name} | outputs | starts
    free = rename(dict.fromkeys(outputs.values()), used)
    free |= rename(dict.fromkeys(starts.values()), {*used, *free.values()})
    free |= rename([model.name], {*used, *free.values()})
    return {key: free[name] for key, name in called.items()}


def _units(model: Model) -> dict[str, str]:
    """Identifier of each unit the model writes."""
    written = [parameter.unit for parameter in model.parameters]
    written += [state.unit for state in model.states] + [output.unit for output in model.outputs]
    written += [_start_unit(model, state, field) for state, field, _ in _starts(model)]
    written += [text for text in let_units(model).values() if text is not None]
    texts = list(dict.fromkeys([model.time, *written, *([] if "1" in written else ["1"])]))
    own = rename([identifier(text) for text in texts], ())
    result: dict[str, str] = {}
    for text in texts:
        name = own[identifier(text)]
        while name in result.values():
            name += "_"
        result[text] = "dimensionless" if text == "1" else name
    return result


def _define_units(body: Element, units: Mapping[str, str]) -> None:
    section = SubElement(body, "listOfUnitDefinitions")
    for text, name in units.items():
        if name == "dimensionless":
            continue
        rows = SubElement(SubElement(section, "unitDefinition", {"id": name, "name": text}), "listOfUnits")
        for part in parts(text):
            given = {"kind": part.kind, "exponent": f"{part.exponent:g}"}
            SubElement(rows, "unit", given | {"scale": str(part.scale), "multiplier": repr(part.multiplier)})


def _define_functions(body: Element, model: Model) -> None:
    used = {node.operation for tree in _trees(model) for node in walk(tree) if isinstance(node, Apply)}
    section = SubElement(body, "listOfFunctionDefinitions")
    for name, text in DEFINED.items():
        if name in used:
            math = SubElement(SubElement(section, "functionDefinition", {"id": name}), "math", _mathml())
            function = SubElement(math, "lambda")
            SubElement(SubElement(function, "bvar"), "ci").text = "x"
            function.append(content(parse(text), {}))


def _trees(model: Model) -> Iterator[Expression]:
    yield from (expression for _, expression in (*model.let, *model.derivatives, *_initial(model)))
    yield from (output.value for output in model.outputs)
    yield from (expression for _, _, expression in _starts(model))


@dataclass(frozen=True, slots=True)
class _Quantity:
    """One SBML parameter to be written."""

    identifier: str
    unit: str | None
    note: Mapping[str, str]
    value: float | None = None

    @property
    def constant(self) -> bool:
        """Whether nothing but a user changes it."""
        return self.note["role"] == "parameter"


def _quantities(model: Model, names: Mapping[str, str]) -> Iterator[_Quantity]:
    for parameter in model.parameters:
        yield _Quantity(parameter.name, parameter.unit, _about(parameter, "parameter"), parameter.value)
    for state in model.states:
        yield _Quantity(state.name, state.unit, _about(state, "state"), None if state.initial is not None else 0.0)
    measures = let_units(model)
    for name, _ in model.let:
        yield _Quantity(name, measures[name], {"role": "let"})
    for state, field, _ in _starts(model):
        note = {"role": "administration", "state": state.name, "field": field}
        yield _Quantity(names[f"{state.name}.{field}"], _start_unit(model, state, field), note)
    for output in model.outputs:
        yield _Quantity(names[f"output.{output.name}"], output.unit, _about(output, "output") | {"name": output.name})


def _about(declared: Parameter | State | Output, role: str) -> dict[str, str]:
    given = {"unit": declared.unit, "meaning": declared.meaning, "source": getattr(declared, "source", "")}
    return {"role": role} | {key: text for key, text in given.items() if text}


def let_units(model: Model) -> dict[str, str | None]:
    """Unit of each let entry, None where our text has no word for it."""
    declared = [*((p.name, p.unit) for p in model.parameters), *((s.name, s.unit) for s in model.states)]
    known = {"t": unit(model.time)} | {name: unit(text) for name, text in declared}
    found: dict[str, str | None] = {}
    for name, expression in model.let:
        known[name] = evaluate(expression, known, UNITS)
        try:
            found[name] = str(unit(str(known[name])))
        except ModelError:
            found[name] = None
    return found


def _start_unit(model: Model, state: State, field: str) -> str:
    """Unit of how doses enter: that of time, of state over time, or none."""
    if field == "rate":
        return str(unit(f"({state.unit}) / ({model.time})"))
    return "1" if field == "bioavailability" else model.time


def _starts(model: Model) -> Iterator[tuple[State, str, Expression]]:
    for state in model.states:
        for field in STARTS:
            if (expression := getattr(state, field)) is not None:
                yield state, field, expression


def _initial(model: Model) -> list[tuple[str, Expression]]:
    return [(state.name, state.initial) for state in model.states if state.initial is not None]


def _assigned(model: Model, names: Mapping[str, str]) -> Iterable[tuple[str, Expression]]:
    yield from model.let
    yield from ((names[f"{state.name}.{field}"], expression) for state, field, expression in _starts(model))
    yield from ((names[f"output.{output.name}"], output.value) for output in model.outputs)


def _parameter(section: Element, quantity: _Quantity, units: Mapping[str, str]) -> None:
    given = {"id": quantity.identifier}
    if quantity.value is not None:
        given["value"] = repr(quantity.value)
    if quantity.unit is not None:
        given["units"] = units[quantity.unit]
    given["constant"] = "true" if quantity.constant else "false"
    element = SubElement(section, "parameter", given)
    if quantity.note.get("meaning"):
        element.set("name", quantity.note["meaning"])
    _annotate(element, "quantity", quantity.note)


def _assign(
    section: Element, tag: str, key: str, rows: Iterable[tuple[str, Expression]], names: Mapping[str, str]
) -> None:  # fmt: skip
    for name, expression in rows:
        math = SubElement(SubElement(section, tag, {key: name}), "math", _mathml())
        math.append(content(expression, names))


def _annotate(element: Element, tag: str, fields: Mapping[str, str]) -> None:
    annotation = SubElement(element, "annotation")
    SubElement(annotation, f"trialtwin:{tag}", {"xmlns:trialtwin": OURS, **fields})


def _note(element: Element, text: str) -> None:
    note = SubElement(SubElement(element, "notes"), "p", {"xmlns": "http://www.w3.org/1999/xhtml"})
    note.text = text


def _mathml() -> dict[str, str]:
    return {"xmlns": "http://www.w3.org/1998/Math/MathML", "xmlns:sbml": CORE}
