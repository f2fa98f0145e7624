"""A model of ours read from SBML (Hucka et al. 2019, doi:10.1515/jib-2019-0021)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.interchange.draft import BARE, Draft
from engine.interchange.measures import Measures
from engine.interchange.sbml_document import document, read_text
from engine.interchange.sbml_events import apply_events
from engine.interchange.sbml_gathering import Gathered, gather
from engine.interchange.sbml_reactions import apply_reactions
from engine.interchange.sbml_rules import apply_rules, at_start, freeze
from engine.models.algebras.units import UNITS
from engine.models.expression import Expression, Name, evaluate
from engine.models.specification import Model


def read_sbml(
    source: str | Path, *, units: Mapping[str, str] | None = None, time: str | None = None, unitless: bool = False
) -> Model:  # fmt: skip
    """Model read from an SBML file, of any level and version that libsbml knows.

    Species become states in amounts (doses are amounts); where a formula means a concentration it is the amount over
    the compartment. Constants become parameters with their values, assignment rules let entries, reactions let entries
    that the derivatives of their species add up. An event becomes a ``where`` when it sets a quantity to what depends
    on constants, once a time is passed or while a pair of opposite conditions holds. Species and everything
    that changes become outputs. A file that ``write_sbml`` wrote gives an equal model.

    Parameters
    ----------
    source
        Path of a file, or the text itself.
    units
        Unit of a quantity, by its identifier, where the file has none (or a wrong one).
    time
        Unit of time, where the file has none.
    unitless
        Take bare numbers: every quantity gets the unit 1, and one more parameter is 1 per unit of time.

    Raises
    ------
    ModelError
        Not valid SBML; or it has what cannot be expressed (delays, algebraic rules, events that change a state at an
        instant, constructs of packages), named; or units are missing (all named at once) or inconsistent.
    """
    text, label = read_text(source, "<")
    found = gather(document(text, label).getModel(), label, units or {}, time, unitless=unitless)
    try:
        apply_rules(found)
        apply_reactions(found)
        freeze(found)
        apply_events(found)
        draft = _draft(found)
    except ModelError as error:
        raise ModelError(f"{label}: {str(error).removeprefix(f'{label}: ')}") from None
    except RecursionError:
        raise ModelError(f"{label}: its formulas are nested too deeply, or define each other in a circle") from None
    return draft.load(unitless=unitless)


def _draft(found: Gathered) -> Draft:
    _start_states(found)
    outputs = found.outputs or _outputs(found)
    if found.missing and not found.unitless:
        missing = ", ".join(dict.fromkeys(found.missing))
        raise ModelError(f"no unit is given for {missing}; name them in units ({BARE})")
    if not found.derivatives:
        raise ModelError("nothing in it changes by a rate: no reaction acts on a species and there is no rate rule")
    states = {name: found.states[name] for name in found.derivatives}
    return Draft(found.name, found.reference, found.time, found.parameters, states, found.let, found.derivatives,
                 outputs, label=found.label)  # fmt: skip


def _start_states(found: Gathered) -> None:
    """Turn initial values into expressions of parameters alone."""
    for name, given in found.states.items():
        if "initial" in given:
            given["initial"] = at_start(found, given["initial"], (name,))


def _outputs(found: Gathered) -> dict[str, dict[str, Any]]:
    """Every species, as its symbol means it, and every quantity that a rule gives."""
    result: dict[str, dict[str, Any]] = {}
    measures = Measures({**found.units, "t": found.time}, found.let)
    wanted = {name: found.symbol(identifier) for identifier, name in found.names.items() if identifier in found.shown}
    for name, expression in wanted.items():
        plain = expression == Name(name)
        called = name if plain else found.free(f"{name}_concentration")
        text = _unit(found, name, expression, measures)
        result[called] = {"value": expression, "unit": text, "meaning": found.meanings.get(name, name)}
    return result


def _unit(found: Gathered, name: str, expression: Expression, measures: Measures) -> str:
    """Unit of an output: the one declared, else what its formula gives."""
    if found.unitless:
        return "1"
    if (declared := found.units.get(name)) is not None and expression == Name(name):
        return declared
    try:
        return str(evaluate(expression, measures, UNITS))
    except ModelError:
        found.missing.append(name)
        return "1"
