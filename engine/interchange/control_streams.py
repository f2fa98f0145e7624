"""NONMEM control streams read into our models (Beal, Sheiner, Boeckmann & Bauer, NONMEM Users Guides)."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from engine.errors import ModelError
from engine.interchange.abbreviated import read_code, settle
from engine.interchange.drafting import Units, displayed, draft_of
from engine.interchange.estimates import with_estimates
from engine.interchange.imported import Imported
from engine.interchange.individuals import RECORD, Individuals, value_of
from engine.interchange.predictions import predictions_of
from engine.interchange.residuals import residual_of
from engine.interchange.sbml_document import read_text
from engine.interchange.streams import Stream, read_stream
from engine.interchange.structures import Structure, structure_of
from engine.models.expression import Expression, Name, Number, substitute

_FLAGS: Mapping[str, Expression] = {"A_0FLG": Number(1.0)}


def read_control_stream(
    source: str | Path, *, units: Mapping[str, str] | None = None, time: str = "h", amount: str = "mg",
    volume: str = "L", covariates: Mapping[str, float] | None = None, outputs: Iterable[str] = (),
    estimates: str | Path | None = None, unitless: bool = False,
) -> Imported:  # fmt: skip
    """Model and statistics of a NONMEM control stream.

    ADVAN1-5, 7 and 10-12 with their TRANS, and ADVAN6, 8, 9 and 13-15 with $DES; $PK and $ERROR with IF; lags,
    bioavailabilities, modelled rates and durations (ALAGn, Fn, Rn, Dn), scales and initial amounts. A control stream
    holds no units. Those of the library's parameters follow from ``time``, ``amount`` and ``volume``; parameters that
    only $DES gives a meaning to need theirs in ``units``, and all that are missing are named at once.

    Parameters
    ----------
    source
        Path of a control stream, or its text.
    units
        Unit of parameters, of compartments (``amount`` unless given), of covariates, and of ``F``, by NONMEM's name.
    time, amount, volume
        Units of TIME, AMT and volumes.
    covariates
        Value of data items, such as ``{"WT": 70}``, for the typical values that depend on them.
    outputs
        Quantities of $ERROR wanted as outputs, beside F and those that need no further parameter.
    estimates
        Path of the run's .ext file: its final estimates stand in place of the initial ones.
    unitless
        Take bare numbers: every quantity gets the unit 1, and one more parameter is 1 per unit of time.

    Raises
    ------
    ModelError
        Naming the file, the record and what in it cannot be read; or the parameters whose unit is missing.
    """
    text, label = read_text(source, "$")
    stream = read_stream(text, label)
    if estimates is not None:
        stream = with_estimates(stream, estimates)
    pk, error = _code(stream, label)
    structure = structure_of(stream, pk, [*pk, *error, *stream.columns], label)
    own = {name: tree for name, tree in error.items() if name not in pk and _is_own(name, error, structure)}
    if both := sorted(structure.let.keys() & pk.keys()):
        raise ModelError(f"{label}: {both[0]} is assigned in $PK and in $DES")
    people = Individuals({**pk, **own}, frozenset(stream.columns), _effects(stream), label)
    changing = {name: tree for name, tree in error.items() if name not in own}
    try:
        found = predictions_of(structure, people, changing, tuple(outputs))
    except ModelError as refused:
        raise ModelError(f"{label}: {str(refused).removeprefix(f'{label}: ')}") from None
    thetas = {f"THETA__{number}": theta.value for number, theta in enumerate(stream.thetas, 1)}
    draft, left_out = draft_of(
        stream, structure, people, found, Units(units or {}, time, amount, volume, unitless),
        value=lambda tree: value_of(tree, thetas, covariates or {}), name=_name(source, stream.problem),
    )  # fmt: skip
    imported = Imported(
        model=draft.load(unitless=unitless), thetas=stream.thetas, omega=stream.omega, sigma=stream.sigma,
        individual={displayed(name, structure, people): _shown(tree) for name, tree in people.parameters.items()},
        residual=residual_of(
            _observation(error, pk), thetas, f"A__{structure.observed}", _scale(people, structure.observed)
        ),
        estimates="initial" if estimates is None else "final", left_out=left_out,
        doses_into=_dosed(stream, structure),
    )  # fmt: skip
    return _completed(imported, people.columns)


def _effects(stream: Stream) -> frozenset[str]:
    """Names of thetas and etas in the code."""
    thetas = (f"THETA__{number}" for number in range(1, len(stream.thetas) + 1))
    return frozenset([*thetas, *(f"ETA__{number}" for number in range(1, len(stream.omega.names) + 1))])


def _code(stream: Stream, label: str) -> tuple[dict[str, Expression], dict[str, Expression]]:
    """Assignments of $PK and of $ERROR."""
    if "PK" not in stream.code:
        raise ModelError(f"{label}: it has no $PK")
    where = {name: f"{label}: ${name}" for name in ("PK", "ERROR")}
    pk = settle(read_code(stream.code["PK"], where["PK"]), where["PK"], _FLAGS)
    return pk, settle(read_code(stream.code.get("ERROR", ""), where["ERROR"]), where["ERROR"])


def _is_own(name: str, error: Mapping[str, Expression], structure: Structure) -> bool:
    """Whether $ERROR computes a quantity from nothing that changes within an individual."""
    seen: set[str] = set()
    waiting = {name}
    while waiting:
        one = waiting.pop()
        seen.add(one)
        if one not in error and (one in ("F", "T", "TIME") or one in RECORD or one in structure.let):
            return False
        if one.startswith(("A__", "EPS__")):
            return False
        waiting |= (error[one].names if one in error else set()) - seen
    return True


def _dosed(stream: Stream, structure: Structure) -> str:
    """State of a dose whose record names no compartment; the library's own subroutines dose their first."""
    return dict(zip(stream.compartments, structure.states, strict=False)).get(stream.dosed, structure.states[0])


def _scale(people: Individuals, observed: int) -> Expression | None:
    """Write the scale of the observed compartment in effects and data items."""
    name = f"S{observed}"
    return people.expand(people.code[name]) if name in people.code else None


def _observation(error: Mapping[str, Expression], pk: Mapping[str, Expression]) -> Expression | None:
    """Write Y in F, amounts, effects and data items."""
    tree = error.get("Y")
    known = {**pk, **error}
    for _ in range(len(known) + 1):
        inner = {name: known[name] for name in (tree.names if tree is not None else ()) if name in known}
        if tree is None or not inner:
            return tree
        tree = substitute(tree, inner)
    raise ModelError("$ERROR defines Y by itself")


def _completed(imported: Imported, columns: Collection[str]) -> Imported:
    """Keep the equations of parameters that the model has, and name the data items they need."""
    individual = {name: tree for name, tree in imported.individual.items() if name in imported.model.parameter_names}
    needed = {name for tree in individual.values() for name in tree.names if name in columns}
    residual = imported.residual
    if residual.equation is not None:
        residual = replace(residual, equation=_shown(residual.equation))
    return replace(imported, individual=individual, covariates=tuple(sorted(needed)), residual=residual)


def _shown(tree: Expression) -> Expression:
    """Write ``THETA_1`` for what the code calls ``THETA(1)``."""
    return substitute(tree, {name: Name(name.replace("__", "_")) for name in tree.names if "__" in name})


def _name(source: str | Path, problem: str) -> str:
    """Name of the model: the file's, else the problem's first words."""
    text = isinstance(source, str) and ("$" in source or "\n" in source)
    wanted = " ".join(problem.split()[:4]) if text else Path(source).stem
    name = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"model_{name}".rstrip("_")
