"""What NONMEM's library of ADVAN and TRANS subroutines means (NONMEM Users Guide, part VI, chapters V and VII)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import ModelError

GENERAL = frozenset({6, 8, 9, 13, 14, 15})
"""ADVANs whose equations stand in $DES."""
LINEAR = frozenset({5, 7})
"""ADVANs whose rate constants Kij stand in $PK."""

_DIMENSIONS = (
    (r"VM", "amount/time"), (r"KM", "amount"), (r"AOB", "1"), (r"ALPHA|BETA|GAMMA", "1/time"),
    (r"(CL|Q)[A-Z]?\d*", "volume/time"), (r"V(SS|[A-Z])?\d*", "volume"), (r"K(A|E|EL)?(\d+(T\d+)?)?", "1/time"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Library:
    """One ADVAN with one TRANS.

    ``compartments`` in NONMEM's order, the first ``observed`` one being the default; ``parameters`` that $PK must give
    and their dimension; ``rates`` the micro constants in these; ``equations`` of each compartment in micro constants,
    ``{NAME}`` being an amount.
    """

    compartments: tuple[str, ...]
    observed: str
    parameters: Mapping[str, str]
    rates: Mapping[str, str]
    equations: Mapping[str, str]


def find(advan: int, trans: int) -> Library:
    """Meaning of ``ADVANn TRANSm``; ModelError when NONMEM has no such pair or we do not know it."""
    if advan not in _SHAPES:
        known = ", ".join(f"ADVAN{number}" for number in sorted({*_SHAPES, *GENERAL, *LINEAR}))
        raise ModelError(f"ADVAN{advan} cannot be read; {known} can")
    shape, translations = _SHAPES[advan]
    if trans not in translations:
        known = ", ".join(f"TRANS{number}" for number in translations)
        raise ModelError(f"ADVAN{advan} TRANS{trans} cannot be read; {known} can")
    rates = {
        name: text for name, text in translations[trans].items() if name not in ("", *translations[trans][""].split())
    }
    absorbed = ("KA",) if shape[0] == "DEPOT" else ()
    names = (*absorbed, *translations[trans][""].split())
    return Library(shape, "CENTRAL", {name: dimension(name) for name in names}, rates, _EQUATIONS[advan])


def dimension(name: str) -> str:
    """Dimension of a parameter under its conventional name; empty when the name says nothing."""
    return next((found for pattern, found in _DIMENSIONS if re.fullmatch(pattern, name)), "")


_ONE, _TWO, _THREE = ("CENTRAL",), ("CENTRAL", "PERIPHERAL"), ("CENTRAL", "PERIPHERAL1", "PERIPHERAL2")
_SUM = "ALPHA + BETA + GAMMA"
_PAIRS = "ALPHA * BETA + ALPHA * GAMMA + BETA * GAMMA"


def _two(k12: str, k21: str, v1: str, v2: str) -> dict[int, dict[str, str]]:
    """Translations of two compartments; the arguments are NONMEM's names of constants and volumes."""
    micro = {"K": f"ALPHA * BETA / {k21}", k12: f"ALPHA + BETA - {k21} - K"}
    return {
        1: {"": f"K {k12} {k21}"},
        3: {"": "CL V Q VSS", "K": "CL / V", k12: "Q / V", k21: "Q / (VSS - V)"},
        4: {"": f"CL {v1} Q {v2}", "K": f"CL / {v1}", k12: f"Q / {v1}", k21: f"Q / {v2}"},
        5: {"": "AOB ALPHA BETA", k21: "(AOB * BETA + ALPHA) / (AOB + 1)", **micro},
        6: {"": f"ALPHA BETA {k21}", **micro},
    }


def _three(first: int) -> dict[int, dict[str, str]]:
    """Translations of three compartments, the central one being number ``first``."""
    one, two, three = first, first + 1, first + 2
    k12, k21, k13, k31 = f"K{one}{two}", f"K{two}{one}", f"K{one}{three}", f"K{three}{one}"
    volume, others = f"V{one}", {two: f"V{two}", three: f"V{three}"}
    rest = f"({_SUM} - K - {k21} - {k31})"
    crossed = f"({_PAIRS} - K * {k21} - K * {k31} - {k21} * {k31})"
    return {
        1: {"": f"K {k12} {k21} {k13} {k31}"},
        4: {"": f"CL {volume} Q{two} {others[two]} Q{three} {others[three]}", "K": f"CL / {volume}",
            k12: f"Q{two} / {volume}", k21: f"Q{two} / {others[two]}", k13: f"Q{three} / {volume}",
            k31: f"Q{three} / {others[three]}"},
        6: {"": f"ALPHA BETA GAMMA {k21} {k31}", "K": f"ALPHA * BETA * GAMMA / {k21} / {k31}",
            k13: f"({crossed} - {rest} * {k31}) / ({k21} - {k31})", k12: f"{rest} - {k13}"},
    }  # fmt: skip


_SIMPLE: dict[int, dict[str, str]] = {1: {"": "K"}, 2: {"": "CL V", "K": "CL / V"}}
_SHAPES: Mapping[int, tuple[tuple[str, ...], Mapping[int, Mapping[str, str]]]] = {
    1: (_ONE, _SIMPLE),
    2: (("DEPOT", *_ONE), _SIMPLE),
    3: (_TWO, _two("K12", "K21", "V1", "V2")),
    4: (("DEPOT", *_TWO), _two("K23", "K32", "V2", "V3")),
    10: (_ONE, {1: {"": "VM KM"}}),
    11: (_THREE, _three(1)),
    12: (("DEPOT", *_THREE), _three(2)),
}


def _exchange(first: int, count: int) -> dict[str, str]:
    """Equations of a central compartment with number ``first`` and ``count`` peripheral ones."""
    names = ("PERIPHERAL",) if count == 1 else tuple(f"PERIPHERAL{number + 1}" for number in range(count))
    central = ["-K * {CENTRAL}"] if first == 1 else ["KA * {DEPOT}", " - K * {CENTRAL}"]
    result = {"DEPOT": "-KA * {DEPOT}"} if first == 2 else {}
    sides = {}
    for place, name in enumerate(names, first + 1):
        central.append(f" - K{first}{place} * {{CENTRAL}} + K{place}{first} * {{{name}}}")
        sides[name] = f"K{first}{place} * {{CENTRAL}} - K{place}{first} * {{{name}}}"
    return result | {"CENTRAL": "".join(central)} | sides


_EQUATIONS: Mapping[int, Mapping[str, str]] = {
    1: _exchange(1, 0), 2: _exchange(2, 0), 3: _exchange(1, 1), 4: _exchange(2, 1),
    10: {"CENTRAL": "-VM * {CENTRAL} / (KM + {CENTRAL})"}, 11: _exchange(1, 2), 12: _exchange(2, 2),
}  # fmt: skip
