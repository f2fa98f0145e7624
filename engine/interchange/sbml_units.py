"""Units of SBML: kinds with a scale and a multiplier on one side, our text on the other (SBML Level 3, section 4.4)."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engine.errors import ModelError
from engine.models.algebras.units import factor, unit


class Part(NamedTuple):
    """One factor of a unit, ``(multiplier * 10**scale * kind)**exponent``."""

    kind: str
    exponent: float
    scale: int
    multiplier: float


_PREFIXES = ("", "d", "c", "m", "u", "n", "p", "f", "k", "M")
# Kinds of SBML, their name among our units, and the units of each that people write.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "second": ("s", "min", "h", "day", "week", "year", "ms"),
    "litre": tuple(f"{prefix}L" for prefix in _PREFIXES),
    "metre": tuple(f"{prefix}m" for prefix in _PREFIXES),
    "gram": tuple(f"{prefix}g" for prefix in _PREFIXES),
    "kilogram": ("kg", "g", "mg", "ug", "ng"),
    "mole": tuple(f"{prefix}mol" for prefix in _PREFIXES),
    "item": ("count",),
    "kelvin": ("K",),
    "ampere": ("A", "mA", "uA", "nA", "pA"),
    "candela": ("cd",),
    "joule": ("J", "kJ", "mJ"),
    "newton": ("N", "mN"),
    "pascal": ("Pa", "kPa", "hPa", "mmHg"),
    "watt": ("W", "mW", "kW"),
    "volt": ("V", "mV", "uV"),
    "ohm": ("ohm", "kohm", "Mohm"),
    "siemens": ("S", "mS", "uS", "nS"),
    "coulomb": ("C", "mC", "uC", "nC", "pC"),
    "farad": ("F", "uF", "nF", "pF"),
    "hertz": ("Hz", "kHz"),
    "katal": ("kat", "ukat", "nkat"),
    "becquerel": ("Bq", "kBq", "MBq"),
    "dimensionless": ("1", "percent"),
}
_BASES = {"kilogram": "kg", "item": "count", "dimensionless": "1"}
# Kinds a unit of ours is written in, the first it can be converted to.
_WRITTEN = ("second", "gram", "litre", "metre", "mole", "kelvin", "ampere", "candela", "volt", "joule", "pascal",
            "newton", "watt", "ohm", "siemens", "coulomb", "farad", "katal", "dimensionless")  # fmt: skip


def parts(text: str) -> tuple[Part, ...]:
    """Factors of a unit of ours; a unit of biological activity (IU), which SBML lacks, becomes ``item``."""
    quantity = 1 * unit(text).unit
    items: Iterable[tuple[Any, Any]] = quantity.unit_items()
    found = (_part(str(name), float(exponent)) for name, exponent in items)
    kept = tuple(part for part in found if part[:1] != ("dimensionless",) or part.multiplier != 1 or part.scale)
    return kept or (Part("dimensionless", 1.0, 0, 1.0),)


def text_of(given: Iterable[Part]) -> str:
    """Our text of a unit; ModelError when a factor has no name here."""
    words = [(_name(part), part.exponent) for part in given]
    # 1 stands for a dimensionless factor, which may come once with what is left of other units.
    above = [_raised(word, power) for word, power in words if power > 0 and word != "1"]
    below = [_raised(word, -power) for word, power in words if power < 0 and word != "1"]
    text = " * ".join(above) or "1"
    return text + "".join(f" / {word}" for word in below) if below else text


def identifier(text: str) -> str:
    """Name of a unit as SBML wants names: ``mg/L`` becomes ``mg_per_L``."""
    spoken = text.replace("**", "").replace("^", "").replace("/", "_per_").replace("-", "minus")
    return re.sub(r"\W+", "_", f"unit_{spoken}").strip("_")


def _part(name: str, exponent: float) -> Part:
    for kind in _WRITTEN:
        size = factor(unit(name), unit(_BASES.get(kind, kind)))
        if size is not None:
            scale = math.log10(size)
            whole = math.isclose(scale, round(scale), abs_tol=1e-12)
            return Part(kind, exponent, round(scale) if whole else 0, 1.0 if whole else size)
    return Part("item", exponent, 0, 1.0)


def _name(part: Part) -> str:
    kind = {"liter": "litre", "meter": "metre"}.get(part.kind, part.kind)
    if kind not in _KINDS:
        raise ModelError(f"the unit kind {part.kind!r} is not known here")
    size = part.multiplier * 10.0**part.scale
    base = unit(_BASES.get(kind, kind))
    for name in _KINDS[kind]:
        if math.isclose(factor(unit(name), base) or 0.0, size, rel_tol=1e-9):
            return name
    raise ModelError(f"a unit of {size:g} {part.kind} has no name here")


def _raised(word: str, power: float) -> str:
    return word if power == 1 else f"{word}**{power:g}"
