"""SBML's rules and initial assignments as let entries, derivatives and parameters."""

from typing import Any

from engine.errors import ModelError
from engine.interchange.sbml_gathering import Gathered, is_state, note
from engine.models.calculus import multiply, simplify
from engine.models.expression import Expression, Name, Number, substitute


def apply_rules(found: Gathered) -> None:
    """Fill let entries, rates, states and parameters from what is declared and the rules about it."""
    model, mathematics = found.model, found.mathematics()
    ruled: set[str] = set()
    for number in range(model.getNumRules()):
        rule = model.getRule(number)
        if rule.isAlgebraic():
            raise ModelError("it has an algebraic rule, which cannot be expressed: solve it for one quantity")
        identifier = rule.getVariable()
        ruled.add(identifier)
        try:
            value = mathematics.read(rule.getMath())
        except ModelError as error:
            raise ModelError(f"rule for {identifier}: {error}") from None
        if rule.isRate():
            _rate(found, identifier, value)
        else:
            _assign(found, identifier, value)
    for identifier, math in found.starts.items():
        if identifier not in found.names:
            raise ModelError(f"initial assignment of {identifier!r}, which is not declared")
        _start(found, identifier, mathematics.read(math))
    for identifier in found.names:
        if identifier not in ruled:
            _constant(found, identifier)


def freeze(found: Gathered) -> None:
    """Give let entries that stem from initial assignments the value they have at time 0, for good."""
    for name in found.frozen:
        found.let[name] = at_start(found, found.let[name], (name,))


def at_start(found: Gathered, expression: Expression, seen: tuple[str, ...] = ()) -> Expression:
    """Write an expression's value at time 0 in parameters, and in let entries made of parameters."""
    values: dict[str, Expression] = {}
    for name in expression.names:
        if name == "t":
            values[name] = Number(0.0)
        elif name in seen:
            raise ModelError(f"the initial value of {name} is defined by itself")
        elif name in found.states:
            initial = found.states[name].get("initial", Number(0.0))
            values[name] = at_start(found, initial, (*seen, name))
        elif name in found.let and _varies(found, found.let[name], (name,)):
            values[name] = at_start(found, found.let[name], (*seen, name))
    return simplify(substitute(expression, values)) if values else expression


def _varies(found: Gathered, expression: Expression, seen: tuple[str, ...]) -> bool:
    """Whether an expression depends on time or a state."""
    for name in expression.names - set(seen):
        if name == "t" or name in found.states:
            return True
        if name in found.let and _varies(found, found.let[name], (*seen, name)):
            return True
    return False


def _assign(found: Gathered, identifier: str, value: Expression) -> None:
    element = found.element(identifier)
    about = note(element)
    if about.get("role") == "output":
        fields = {"value": value, "unit": about.get("unit", "1"), "meaning": about.get("meaning", "")}
        found.outputs[about.get("name", identifier)] = fields
    elif about.get("role") == "administration":
        found.states.setdefault(about["state"], {})[about["field"]] = value
    else:
        found.let[found.names[identifier]] = value
        found.shown.append(identifier)


def _rate(found: Gathered, identifier: str, value: Expression) -> None:
    name = found.names[identifier]
    if identifier in found.over:
        compartment = found.over[identifier]
        if found.model.getRule(compartment) is not None:
            raise ModelError(f"rate rule for {identifier}, a concentration in {compartment}, whose size changes")
        value = multiply(value, found.symbol(compartment))
    found.derivatives[name] = value
    add_state(found, identifier)


def add_state(found: Gathered, identifier: str) -> None:
    """Declare what changes by a rate, with its initial value as declared."""
    name = found.names[identifier]
    given = found.states.setdefault(name, {})
    if "unit" in given:
        return
    given["unit"] = found.units.get(name, "1")
    if name not in found.units:
        found.missing.append(identifier)
    own = note(found.element(identifier))
    given["meaning"] = own.get("meaning", "") if own else found.meanings.get(name, "")
    found.shown.append(identifier)
    if identifier not in found.starts and not (own and found.values.get(name) == 0):
        _initial(found, identifier, given)


def _initial(found: Gathered, identifier: str, given: dict[str, Any]) -> None:
    """Make a parameter of an initial value that is a number: it has a unit."""
    name, element = found.names[identifier], found.element(identifier)
    value, unit, scale = found.values.get(name), given["unit"], None
    if value is None and identifier in found.over and element.isSetInitialConcentration():
        scale = found.symbol(found.over[identifier])
        value = element.getInitialConcentration()
        volume = found.units.get(found.names[found.over[identifier]], "1")
        unit = "1" if found.unitless else f"({unit}) / ({volume})"
    if value is None:
        raise ModelError(f"{identifier} has no initial value")
    if value == 0:
        return
    start = found.free(f"{name}_initial")
    meaning = f"initial {'concentration' if scale else 'value'} of {found.meanings.get(name, name)}"
    found.parameters[start] = {"unit": unit, "meaning": meaning, "value": value, "source": found.label}
    found.units[start] = unit
    given["initial"] = Name(start) if scale is None else multiply(Name(start), scale)


def _start(found: Gathered, identifier: str, value: Expression) -> None:
    name = found.names[identifier]
    is_species = identifier in found.over
    if name in found.states or (is_species and is_state(found.model, found.element(identifier))):
        initial = multiply(value, found.symbol(found.over[identifier])) if is_species else value
        found.states.setdefault(name, {})["initial"] = initial
    elif name not in found.let:
        found.let[name] = value
        found.frozen.append(name)


def _constant(found: Gathered, identifier: str) -> None:
    """Make a parameter of a quantity that nothing changes."""
    name, element = found.names[identifier], found.element(identifier)
    fields: dict[str, Any]
    kind = element.getElementName() if element is not None else ""
    if name in found.let or name in found.states or kind == "reaction":
        return
    if kind == "speciesReference":
        if element.isSetStoichiometry():
            found.units[name] = "1"
            fields = {"unit": "1", "meaning": f"stoichiometry of {element.getSpecies()}"}
            found.parameters[name] = {**fields, "value": element.getStoichiometry(), "source": found.label}
        return
    if kind == "species" and is_state(found.model, element):
        return
    about = note(element)
    if name not in found.units:
        found.missing.append(identifier)
    fields = {"unit": found.units.get(name, "1"), "meaning": found.meanings.get(name, name)}
    if name in found.values:
        fields["value"] = found.values[name]
    if source := about.get("source", "" if about else found.label):
        fields["source"] = source
    found.parameters[name] = fields
