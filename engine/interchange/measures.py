"""Units of names, worked out when they are asked for."""

from collections.abc import Mapping

from engine.errors import ModelError
from engine.models.algebras.units import UNITS, Measure, unit
from engine.models.expression import Expression, evaluate


class Measures(dict[str, Measure]):
    """Unit of each declared name, and of each definition in these."""

    def __init__(self, declared: Mapping[str, str], let: Mapping[str, Expression]) -> None:
        super().__init__()
        self._declared, self._let = declared, let
        self._open: set[str] = set()

    def __missing__(self, name: str) -> Measure:
        """Read the unit a name is declared with, or work out that of its definition."""
        if name in self._declared:
            measure = unit(self._declared[name])
        elif name in self._let and name not in self._open:
            self._open.add(name)
            measure = evaluate(self._let[name], self, UNITS)
        else:
            raise ModelError(f"no unit is given for {name}")
        self[name] = measure
        return measure
