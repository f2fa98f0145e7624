"""SBML's reactions as let entries, and the derivatives of their species as sums of these."""

from typing import Any

from engine.errors import ModelError
from engine.interchange.sbml_gathering import Gathered, is_state
from engine.interchange.sbml_math import Mathematics
from engine.interchange.sbml_rules import add_state
from engine.models.calculus import ZERO, add, multiply, subtract
from engine.models.expression import Expression, Name, Number


def apply_reactions(found: Gathered) -> None:
    """Fill the rate of each reaction and what it does to its species."""
    model, mathematics = found.model, found.mathematics()
    for number in range(model.getNumSpecies()):
        species = model.getSpecies(number)
        if is_state(model, species) and model.getRule(species.getId()) is None:
            add_state(found, species.getId())
            found.derivatives.setdefault(found.names[species.getId()], ZERO)
    for number in range(model.getNumReactions()):
        reaction = model.getReaction(number)
        _rate(found, reaction, mathematics)
        for references, change in ((reaction.getListOfReactants(), subtract), (reaction.getListOfProducts(), add)):
            for place in range(references.size()):
                reference = references.get(place)
                species = model.getSpecies(reference.getSpecies())
                if species is None:
                    raise ModelError(f"reaction {reaction.getId()}: there is no species {reference.getSpecies()!r}")
                if is_state(model, species) and model.getRule(species.getId()) is None:
                    name = found.names[species.getId()]
                    share = _share(found, species, reference, Name(found.names[reaction.getId()]))
                    found.derivatives[name] = change(found.derivatives[name], share)


def _rate(found: Gathered, reaction: Any, mathematics: Mathematics) -> None:
    law = reaction.getKineticLaw()
    if law is None or not law.isSetMath():
        raise ModelError(f"reaction {reaction.getId()} has no kinetic law")
    try:
        found.let[found.names[reaction.getId()]] = mathematics.read(law.getMath())
    except ModelError as error:
        raise ModelError(f"reaction {reaction.getId()}: {error}") from None


def _share(found: Gathered, species: Any, reference: Any, rate: Expression) -> Expression:
    """How much of a species one reaction makes or uses in a unit of time."""
    share = multiply(_stoichiometry(found, reference), rate)
    factor = species.getConversionFactor() or found.model.getConversionFactor()
    return multiply(share, found.symbol(factor)) if factor else share


def _stoichiometry(found: Gathered, reference: Any) -> Expression:
    identifier = reference.getId()
    if identifier and found.names.get(identifier) in {*found.let, *found.states, *found.parameters}:
        return Name(found.names[identifier])
    if not reference.isSetStoichiometry():
        raise ModelError(f"species {reference.getSpecies()} has no stoichiometry in a reaction")
    return Number(reference.getStoichiometry())
