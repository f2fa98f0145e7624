"""Compartments and differential equations of a control stream, from its ADVAN or its $DES."""

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.errors import ModelError
from engine.interchange.abbreviated import read_code, settle
from engine.interchange.advans import GENERAL, LINEAR, find
from engine.interchange.streams import Stream
from engine.models.calculus import ZERO, add, multiply, subtract
from engine.models.check import RESERVED
from engine.models.expression import Expression, Name, parse, substitute

_FLOW = re.compile(r"K(?:(\d)(\d)|(\d+)T(\d+))")


@dataclass(frozen=True, slots=True)
class Structure:
    """Equations in the names of $PK.

    ``states`` in NONMEM's order; ``observed`` is the number of the one F is of; ``dimensions`` of what the subroutine
    itself gives a meaning to; ``names`` maps amounts and time of the code to ours.
    """

    states: tuple[str, ...]
    observed: int
    derivatives: Mapping[str, Expression]
    let: Mapping[str, Expression]
    dimensions: Mapping[str, str]
    names: Mapping[str, Expression]


def structure_of(stream: Stream, pk: Mapping[str, Expression], taken: Iterable[str], label: str) -> Structure:
    """Equations of a stream whose $PK has been read; ``taken`` names its variables and data items."""
    if stream.advan in GENERAL:
        return _general(stream, taken, label)
    if stream.advan in LINEAR:
        return _linear(stream, pk, taken, label)
    return _library(stream, pk, taken, label)


def _library(stream: Stream, pk: Mapping[str, Expression], taken: Iterable[str], label: str) -> Structure:
    try:
        shape = find(stream.advan, stream.trans)
    except ModelError as error:
        raise ModelError(f"{label}: {error}") from None
    if missing := [name for name in shape.parameters if name not in pk]:
        raise ModelError(f"{label}: ADVAN{stream.advan} TRANS{stream.trans} wants {', '.join(missing)} in $PK")
    states = _states(shape.compartments, taken)
    amounts = dict(zip(shape.compartments, states, strict=True))
    rates: dict[str, Expression] = {}
    for name, text in shape.rates.items():
        rates[name] = substitute(parse(text), rates)
    derivatives = {
        amounts[name]: substitute(parse(text.format(**amounts)), rates) for name, text in shape.equations.items()
    }
    observed = shape.compartments.index(shape.observed) + 1
    return Structure(states, observed, {name: derivatives[name] for name in states}, {}, shape.parameters,
                     _amounts(states, shape.compartments))  # fmt: skip


def _linear(stream: Stream, pk: Mapping[str, Expression], taken: Iterable[str], label: str) -> Structure:
    states = _states(_declared(stream, label), taken)
    derivatives: dict[str, Expression] = dict.fromkeys(states, ZERO)
    constants: dict[str, str] = {}
    for name in pk:
        if match := _FLOW.fullmatch(name):
            one, other = (int(word) for word in match.groups() if word)
            if not 1 <= one <= len(states) or other > len(states) + 1:
                raise ModelError(f"{label}: {name}: there are {len(states)} compartments")
            constants[name] = "1/time"
            flow = multiply(Name(name), Name(states[one - 1]))
            derivatives[states[one - 1]] = subtract(derivatives[states[one - 1]], flow)
            if 1 <= other <= len(states):
                derivatives[states[other - 1]] = add(derivatives[states[other - 1]], flow)
    if not constants:
        raise ModelError(f"{label}: ADVAN{stream.advan} wants rate constants such as K12 in $PK")
    return Structure(states, _observed(stream), derivatives, {}, constants, _amounts(states, stream.compartments))


def _general(stream: Stream, taken: Iterable[str], label: str) -> Structure:
    if "DES" not in stream.code:
        raise ModelError(f"{label}: ADVAN{stream.advan} wants $DES")
    where = f"{label}: $DES"
    code = settle(read_code(stream.code["DES"], where), where)
    states = _states(_declared(stream, label), [*taken, *code])
    names = _amounts(states, stream.compartments)
    written = {name: substitute(tree, names) for name, tree in code.items()}
    derivatives = {}
    for number, state in enumerate(states, 1):
        called = [key for key in (f"DADT__{number}", f"DADT__{stream.compartments[number - 1]}") if key in written]
        if not called:
            raise ModelError(f"{where}: DADT({number}) is missing")
        derivatives[state] = written.pop(called[0])
    if odd := [name for name in written if "__" in name]:
        raise ModelError(f"{where}: {odd[0].replace('__', '(')}) is no compartment of $MODEL")
    _check_amounts([*derivatives.values(), *written.values()], where)
    return Structure(states, _observed(stream), derivatives, written, {}, names)


def _check_amounts(trees: Iterable[Expression], where: str) -> None:
    for tree in trees:
        if odd := sorted(name for name in tree.names if re.match(r"A__|DADT__|EPS__", name)):
            raise ModelError(f"{where}: {odd[0].replace('__', '(')}) cannot be used here")


def _declared(stream: Stream, label: str) -> tuple[str, ...]:
    if not stream.compartments:
        raise ModelError(f"{label}: ADVAN{stream.advan} wants $MODEL with its compartments")
    if len(set(stream.compartments)) < len(stream.compartments):
        raise ModelError(f"{label}: $MODEL names a compartment twice")
    return stream.compartments


def _observed(stream: Stream) -> int:
    return stream.compartments.index(stream.observed) + 1


def _states(compartments: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    """Names of states: those of the compartments, unless a variable has the same."""
    used = {*taken, "F"}
    return tuple(_free(re.sub(r"\W", "_", name, flags=re.ASCII), used) for name in compartments)


def _free(name: str, used: set[str]) -> str:
    refused: Callable[[str], bool] = lambda word: word in RESERVED or keyword.iskeyword(word)  # noqa: E731
    plain = name if name[:1].isalpha() else f"A_{name}"
    return f"A_{plain}" if plain in used or refused(plain) else plain


def _amounts(states: tuple[str, ...], compartments: Iterable[str]) -> dict[str, Expression]:
    """``A(1)``, ``A(NAME)`` and time, in our names."""
    numbered: dict[str, Expression] = {f"A__{number}": Name(state) for number, state in enumerate(states, 1)}
    named = {f"A__{name}": Name(state) for name, state in zip(compartments, states, strict=True)}
    return numbered | named | {"T": Name("t")}
