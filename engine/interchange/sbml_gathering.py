"""What an SBML model declares: quantities with values and units, under names we can use."""

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import ModelError
from engine.interchange.draft import BARE
from engine.interchange.extras import library
from engine.interchange.notation import rename
from engine.interchange.sbml_document import PURPOSE
from engine.interchange.sbml_math import Mathematics
from engine.interchange.sbml_units import Part, text_of
from engine.interchange.sbml_writing import OURS
from engine.models.calculus import divide
from engine.models.check import RESERVED
from engine.models.expression import Expression, Name, Number

_DIMENSIONS = {3: "getVolumeUnits", 2: "getAreaUnits", 1: "getLengthUnits"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """An SBML model on its way to ours; its dictionaries fill as rules, reactions and events are read.

    ``names`` maps identifiers to our names; ``over`` the species whose symbol is a concentration to their compartment;
    ``values`` the declared value of each quantity by name; ``units`` the unit by name; ``starts`` initial assignments
    by identifier; ``frozen`` let entries that keep their value at time 0; ``shown`` identifiers worth reporting;
    ``missing`` what has no unit.
    """

    model: Any
    label: str
    name: str
    reference: str
    time: str
    unitless: bool
    given: Mapping[str, str]
    names: dict[str, str]
    over: dict[str, str]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    let: dict[str, Expression] = field(default_factory=dict)
    derivatives: dict[str, Expression] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    starts: dict[str, Any] = field(default_factory=dict)
    frozen: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def symbol(self, identifier: str) -> Expression:
        """What an identifier means in a formula."""
        if identifier not in self.names:
            raise ModelError(f"{identifier!r} is not declared")
        name = Name(self.names[identifier])
        return divide(name, self.symbol(self.over[identifier])) if identifier in self.over else name

    def literal(self, value: float, unit_id: str) -> Expression:
        """Number in a formula; one with a unit is a parameter."""
        if self.unitless or value == 0 or unit_id in ("", "dimensionless"):
            return Number(value)
        text = self.unit_text(unit_id)
        if text == "1":
            return Number(value)
        name = self.free("number")
        self.parameters[name] = {"unit": text, "meaning": "number in a formula", "value": value, "source": self.label}
        self.units[name] = text
        return Name(name)

    def mathematics(self) -> Mathematics:
        """Reader of this model's formulas."""
        libsbml = library("libsbml", PURPOSE)
        kinds = {getattr(libsbml, key): key.removeprefix("AST_") for key in dir(libsbml) if key.startswith("AST_")}
        functions = {}
        for number in range(self.model.getNumFunctionDefinitions()):
            defined = self.model.getFunctionDefinition(number)
            names = tuple(defined.getArgument(place).getName() for place in range(defined.getNumArguments()))
            functions[defined.getId()] = (names, defined.getBody())
        return Mathematics(kinds, self.symbol, self.literal, functions)

    def free(self, wanted: str) -> str:
        """Name like ``wanted`` that nothing has."""
        used = {*self.names.values(), *self.parameters, *self.let, *self.outputs}
        name, number = wanted, 1
        while name in used or name in RESERVED:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def unit_text(self, identifier: str) -> str:
        """Our text of a unit definition or of a kind of unit."""
        defined = self.model.getUnitDefinition(identifier)
        if defined is None:
            return text_of([Part(identifier, 1.0, 0, 1.0)])
        libsbml = library("libsbml", PURPOSE)
        rows = [defined.getUnit(number) for number in range(defined.getNumUnits())]
        kinds = [libsbml.UnitKind_toString(row.getKind()) for row in rows]
        found = [
            Part(kind, row.getExponentAsDouble(), row.getScale(), row.getMultiplier())
            for kind, row in zip(kinds, rows, strict=True)
        ]
        try:
            return text_of(found)
        except ModelError as error:
            raise ModelError(f"unit {identifier!r}: {error} ({BARE})") from None

    def declare_unit(self, identifier: str, unit_id: str) -> None:
        """Remember the unit of a quantity; the caller's comes before the file's."""
        name = self.names[identifier]
        if self.unitless:
            self.units[name] = "1"
        elif identifier in self.given:
            self.units[name] = self.given[identifier]
        elif own := note(self.element(identifier)).get("unit"):
            self.units[name] = own
        elif unit_id:
            self.units[name] = self.unit_text(unit_id)

    def element(self, identifier: str) -> Any:
        """Find the element of an identifier."""
        return self.model.getElementBySId(identifier)


def gather(model: Any, label: str, units: Mapping[str, str], time: str | None, *, unitless: bool) -> Gathered:
    """Names, values and units of everything an SBML model declares."""
    identifiers = _identifiers(model)
    if unknown := [name for name in units if name not in identifiers]:
        raise ModelError(f"{label}: units: there is no {', '.join(unknown)} in it")
    about = note(model)
    species = [model.getSpecies(number) for number in range(model.getNumSpecies())]
    over = {one.getId(): one.getCompartment() for one in species if _is_concentration(model, one)}
    found = Gathered(
        model=model, label=label, name=about.get("name") or _model_name(model, label),
        reference=about.get("reference") or _reference(model, label), time="", unitless=unitless, given=units,
        names=_our_names(identifiers), over=over,
    )  # fmt: skip
    try:
        found = _timed(found, time or about.get("time"))
        _declare(found)
    except ModelError as error:
        raise ModelError(f"{label}: {error}") from None
    return found


def note(element: Any) -> dict[str, str]:
    """Read what we wrote in an element's annotation."""
    if element is None or not element.isSetAnnotation():
        return {}
    annotation = element.getAnnotation()
    for number in range(annotation.getNumChildren()):
        child = annotation.getChild(number)
        if child.getURI() == OURS:
            attributes = child.getAttributes()
            return {attributes.getName(i): attributes.getValue(i) for i in range(attributes.getLength())}
    return {}


def _timed(found: Gathered, time: str | None) -> Gathered:
    declared = found.model.getTimeUnits()
    if time is None and declared:
        time = found.unit_text(declared)
    if time is None:
        raise ModelError("it does not say in which unit time is; name it with time, for instance time='h'")
    return replace(found, time=time)


def _identifiers(model: Any) -> list[str]:
    lists = (model.getListOfCompartments(), model.getListOfParameters(), model.getListOfSpecies(),
             model.getListOfReactions())  # fmt: skip
    own = [items.get(number).getId() for items in lists for number in range(items.size())]
    reactions = [model.getReaction(number) for number in range(model.getNumReactions())]
    for items in (part for one in reactions for part in (one.getListOfReactants(), one.getListOfProducts())):
        own += [identifier for number in range(items.size()) if (identifier := items.get(number).getId())]
    return own


def _our_names(identifiers: list[str]) -> dict[str, str]:
    words = {name: re.sub(r"^_+", "x_", name) for name in identifiers}
    free = rename(dict.fromkeys(words.values()), [name for name in words.values() if _is_taken(name)])
    result: dict[str, str] = {}
    for identifier, word in words.items():
        name = free[word]
        while name in result.values():
            name += "_"
        result[identifier] = name
    return result


def _is_taken(name: str) -> bool:
    return name in RESERVED or keyword.iskeyword(name)


def _is_concentration(model: Any, species: Any) -> bool:
    """Whether the symbol of a species is a concentration, to be computed from an amount that we keep."""
    compartment = model.getCompartment(species.getCompartment())
    sized = compartment is not None and compartment.getSpatialDimensionsAsDouble() != 0
    if not sized or species.getHasOnlySubstanceUnits():
        return False
    ruled = model.getRule(species.getId()) is not None
    stretched = model.getRule(species.getCompartment()) is not None
    return is_state(model, species) or (stretched and not ruled)


def is_state(model: Any, species: Any) -> bool:
    """Whether reactions or a rate rule change a species."""
    rule = model.getRule(species.getId())
    if rule is not None:
        return bool(rule.isRate())
    return not species.getConstant() and not species.getBoundaryCondition()


def _declare(found: Gathered) -> None:
    model = found.model
    for number in range(model.getNumInitialAssignments()):
        assignment = model.getInitialAssignment(number)
        found.starts[assignment.getSymbol()] = assignment.getMath()
    for number in range(model.getNumCompartments()):
        one = model.getCompartment(number)
        default = getattr(model, _DIMENSIONS.get(one.getSpatialDimensions(), "getId"))()
        unit_id = one.getUnits() or ("" if one.getSpatialDimensions() not in _DIMENSIONS else default)
        _quantity(found, one, unit_id, one.getSize() if one.isSetSize() else None)
    for number in range(model.getNumParameters()):
        one = model.getParameter(number)
        _quantity(found, one, one.getUnits(), one.getValue() if one.isSetValue() else None)
    for number in range(model.getNumSpecies()):
        _species(found, model.getSpecies(number))


def _quantity(found: Gathered, element: Any, unit_id: str, value: float | None) -> None:
    name = found.names[element.getId()]
    found.meanings[name] = note(element).get("meaning") or element.getName() or element.getId()
    if value is not None and value == value:
        found.values[name] = value
    found.declare_unit(element.getId(), unit_id)


def _species(found: Gathered, one: Any) -> None:
    """Declare a state in amounts, or a species nothing changes as what its symbol means."""
    substance = one.getSubstanceUnits() or found.model.getSubstanceUnits()
    compartment = found.model.getCompartment(one.getCompartment())
    if compartment is None:
        raise ModelError(f"species {one.getId()}: there is no compartment {one.getCompartment()!r}")
    _quantity(found, one, substance, one.getInitialAmount() if one.isSetInitialAmount() else None)
    name, size = found.names[one.getId()], found.values.get(found.names[compartment.getId()])
    if one.getId() in found.over and not is_state(found.model, one) and one.isSetInitialConcentration() and size:
        found.values[name] = one.getInitialConcentration() * size
    kept = one.getId() in found.over or one.getHasOnlySubstanceUnits()
    if kept or compartment.getSpatialDimensionsAsDouble() == 0:
        return
    if one.isSetInitialConcentration():
        found.values[name] = one.getInitialConcentration()
    elif name in found.values and size:
        found.values[name] /= size
    own, volume = found.units.get(name), found.units.get(found.names[compartment.getId()])
    if not found.unitless and one.getId() not in found.given and own and volume:
        found.units[name] = f"({own}) / ({volume})"


def _model_name(model: Any, label: str) -> str:
    wanted = model.getId() or model.getName() or label.split(".")[0]
    name = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"model_{name}".rstrip("_")


def _reference(model: Any, label: str) -> str:
    return f"{model.getName() or model.getId() or 'a model'}, read from SBML ({label})"
