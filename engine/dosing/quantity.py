"""Numbers written with a unit: ``100 mg``, ``1.5 h``, ``20 mg/h``."""

import re
from typing import NamedTuple

from engine.errors import DosingError, ModelError

_TEXT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s].*?)?\s*")


class Quantity(NamedTuple):
    """A number and its unit; the unit is empty when the text has none."""

    value: float
    unit: str


def read(what: str, text: str) -> Quantity:
    """Read a number and perhaps a unit; ``what`` is named in the error."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise DosingError(f"{what}: {text!r} is not a number with a unit; write for instance '100 mg' or '1.5 h'")
    return Quantity(float(match[1]), match[2] or "")


def factor(what: str, unit: str, wanted: str) -> float:
    """Count how many ``wanted`` are one ``unit``; DosingError naming ``what`` when they do not convert."""
    if unit == wanted:
        return 1.0
    from engine.models.algebras import units

    try:
        scale = units.factor(units.unit(unit), units.unit(wanted))
    except ModelError as error:
        raise DosingError(f"{what}: {error}") from None
    if scale is None:
        raise DosingError(f"{what} is in {unit}, which does not convert to {wanted}")
    return scale
