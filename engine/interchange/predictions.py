"""What $ERROR computes from amounts: which of it becomes an output of the model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import ModelError
from engine.interchange.individuals import RECORD, Individuals
from engine.interchange.structures import Structure
from engine.models.expression import Expression, Name, substitute

STARTS = {"lag": "ALAG{}", "bioavailability": "F{}", "duration": "D{}", "rate": "R{}", "initial": "A_0__{}"}
_NEVER = frozenset({"Y", "W", "IRES", "IWRES", "IWRE", "RES", "WRES", "DEL"})


class Candidate(NamedTuple):
    """A quantity of $ERROR in the names of $PK, of amounts, and F."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Predictions:
    """How doses enter each state, the scale of the observed one, and quantities that can be outputs.

    ``left_out`` says of the other quantities why not; ``asked`` are those that the caller wants.
    """

    starts: Mapping[str, Mapping[str, Expression]]
    scale: Expression | None
    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    asked: tuple[str, ...]


def predictions_of(
    structure: Structure, people: Individuals, error: Mapping[str, Expression], asked: tuple[str, ...]
) -> Predictions:  # fmt: skip
    """Tell outputs from the rest, having taken in all that the model needs of $PK."""
    starts = _starts(structure, people.code)
    scale = _scale(structure, people.code)
    trees = [*structure.derivatives.values(), *structure.let.values(), *([scale] if scale is not None else [])]
    trees += [tree for fields in starts.values() for tree in fields.values()]
    inner = {*structure.states, *structure.let, "t"}
    people.need({name for tree in trees for name in tree.names} - inner)
    if unknown := [name for name in asked if name not in error]:
        raise ModelError(f"{people.label}: outputs: $ERROR computes no {', '.join(unknown)}")
    kept, left_out = [], {}
    for name in error:
        value = _expanded(name, error, structure, people)
        reason = _reason(name, value, inner, {*people.parameters, *people.let}, asked)
        if reason is None:
            people.need(value.names - inner - {"F"} - people.parameters.keys() - people.let.keys())
            kept.append(Candidate(name, value))
        else:
            left_out[name] = reason
    return Predictions(starts, scale, tuple(kept), left_out, asked)


def _starts(structure: Structure, code: Mapping[str, Expression]) -> dict[str, dict[str, Expression]]:
    """Lags, bioavailabilities, modelled infusions and initial amounts that $PK gives, by state."""
    found: dict[str, dict[str, Expression]] = {}
    for number, state in enumerate(structure.states, 1):
        given = {field: name.format(number) for field, name in STARTS.items()}
        found[state] = {field: Name(name) for field, name in given.items() if name in code}
    return found


def _scale(structure: Structure, code: Mapping[str, Expression]) -> Expression | None:
    """Equation of the observed compartment's scale; itself a parameter when it is made of effects or data."""
    name = f"S{structure.observed}"
    if name not in code:
        return None
    return code[name] if code[name].names <= code.keys() else Name(name)


def _expanded(name: str, error: Mapping[str, Expression], structure: Structure, people: Individuals) -> Expression:
    """Write a quantity in F, amounts, time, and names of $PK."""
    tree = error[name]
    for _ in range(len(error) + 1):
        inner = {used: error[used] for used in tree.names if used in error}
        if not inner:
            return substitute(tree, {**structure.names, "TIME": Name("t")})
        tree = substitute(tree, inner)
    raise ModelError(f"{people.label}: $ERROR defines {name} by itself")


def _reason(
    name: str, value: Expression, inner: Collection[str], known: Collection[str], asked: Collection[str]
) -> str | None:  # fmt: skip
    """Say why a quantity is no output, None when it is one."""
    states = set(inner) - {"t"}
    told = name in asked
    if any(used.startswith("EPS__") for used in value.names):
        reason = "it has a residual error"
    elif used := sorted(value.names & RECORD):
        reason = f"it depends on {used[0]}, which belongs to a record of the data"
    elif not value.names & {"F", *states}:
        reason = "it depends on no amount"
    elif name in _NEVER and not told:
        reason = "it is part of the residual error"
    elif not told and (used := sorted(value.names - {"F", "t"} - states - set(known))):
        reason = f"it needs {', '.join(one.replace('__', '_') for one in used)}; name it in outputs to have it"
    else:
        return None
    if told:
        raise ModelError(f"outputs: {name}: {reason}")
    return reason
