"""Units as UCUM writes them, converted into each other.

The subset is what laboratories and wards use: metric units with prefixes, products and quotients with whole-number
exponents, annotations in braces, and amounts of substance where the molar mass is known. The Unified Code for Units of
Measure, https://ucum.org/ucum.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cohorts.errors import PopulationError

if TYPE_CHECKING:
    import pint

ATOMS = {
    "g": "gram", "L": "liter", "l": "liter", "mol": "mole", "m": "meter", "s": "second", "min": "minute", "h": "hour",
    "d": "day", "wk": "week", "mo": "(365.25 / 12 * day)", "a": "(365.25 * day)", "eq": "mole", "U": "enzyme_unit_",
    "%": "percent_", "1": "dimensionless", "[iU]": "international_unit_", "[IU]": "international_unit_",
    "[lb_av]": "pound", "[oz_av]": "ounce", "[in_i]": "inch", "[ft_i]": "foot", "Cel": "celsius_step_",
    "[mIU]": "milli_international_unit_", "10*3": "(1000 dimensionless)", "10*6": "(1000000 dimensionless)",
    "10*9": "(1000000000 dimensionless)",
}  # fmt: skip
"""UCUM atom to pint's words; names that end in _ are defined here."""
PREFIXED = ("g", "L", "l", "mol", "m", "s", "eq", "U")
PREFIXES = {"k": "kilo", "h": "hecto", "d": "deci", "c": "centi", "m": "milli", "u": "micro", "n": "nano", "p": "pico"}
DEFINITIONS = (
    "enzyme_unit_ = micromole / minute", "international_unit_ = [activity_]", "percent_ = 0.01",
    "celsius_step_ = kelvin", "milli_international_unit_ = 0.001 international_unit_",
)  # fmt: skip

_TERM = re.compile(r"(?P<atom>(?:10\*\d)|(?:\[[^\]]+\])|%|1|[A-Za-z]+)(?P<power>-?\d+)?$")


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry":
    import pint

    registry = pint.UnitRegistry(cache_folder=None)
    for definition in DEFINITIONS:
        registry.define(definition)
    return registry


def convert(value: float, code: str, wanted: str, where: str, *, molar_mass: float | None = None) -> float:
    """A quantity in another unit.

    Parameters
    ----------
    value, code
        The number and its UCUM code.
    wanted
        UCUM code of the unit it should have.
    where
        What a message calls the quantity.
    molar_mass
        In g/mol, where amounts of substance may be turned into masses.

    Raises
    ------
    PopulationError
        Naming the quantity: its unit is unknown, or measures something else.
    """
    return value * factor(code, wanted, where, molar_mass)


@lru_cache(maxsize=512)
def factor(code: str, wanted: str, where: str, molar_mass: float | None = None) -> float:
    """Number by which a value in one unit is multiplied to be in another; `convert` says what the arguments are."""
    if code == wanted:
        return 1.0
    given, goal = _parse(code, where), _parse(wanted, where)
    for turn in (1.0, *(() if molar_mass is None else (_molar(molar_mass), 1.0 / _molar(molar_mass)))):
        one = 1.0 * given * turn
        if one.check(goal.dimensionality):
            return float(one.to(goal).magnitude)
    hint = "" if molar_mass is not None else "; an amount of substance needs molar_mass in the codes"
    raise PopulationError(f"{where}: got the unit {code!r}, wanted one that measures what {wanted!r} does{hint}")


def _molar(mass: float) -> Any:
    return _registry().Quantity(mass, "gram / mole")


@lru_cache(maxsize=512)
def _parse(code: str, where: str) -> Any:
    text = re.sub(r"\{[^}]*\}", "", code.strip())
    if not text or text.startswith("/"):
        text = f"1{text}"
    found, sign = 1.0 * _registry().dimensionless, 1
    for part in re.split(r"([./])", text):
        if part in (".", "/"):
            sign = 1 if part == "." else -1
        elif part:
            found = found * _term(part, code, where) ** sign
            sign = 1
    return found


def _term(part: str, code: str, where: str) -> Any:
    match = _TERM.match(part)
    atom = match["atom"] if match else ""
    power = int((match and match["power"]) or 1)
    registry = _registry()
    if atom in ATOMS:
        return (1.0 * registry.parse_expression(ATOMS[atom])) ** power
    if atom[:1] in PREFIXES and atom[1:] in PREFIXED:
        return (1.0 * registry.parse_expression(PREFIXES[atom[0]] + ATOMS[atom[1:]])) ** power
    raise PopulationError(
        f"{where}: got the unit {code!r}, of which {part!r} is not known; known are the UCUM codes {sorted(ATOMS)}, "
        f"{list(PREFIXED)} also with {sorted(PREFIXES)} before them"
    )
