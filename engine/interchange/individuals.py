"""Which quantities of $PK are parameters of individuals, and which follow from these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.errors import ModelError
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import Expression, Name, evaluate, substitute

RECORD = frozenset(
    {"ID", "DV", "MDV", "EVID", "CMT", "AMT", "RATE", "ADDL", "II", "SS", "NEWIND", "ICALL", "IREP", "L1", "L2",
     "DOSTIM", "DOSREC", "TSTATE", "MIXNUM", "PCMT", "CALL", "DATE"}
)  # fmt: skip
"""Data items that say what a record is: no quantity of an equation can be made of them."""


@dataclass(frozen=True, slots=True)
class Individuals:
    """Code that gives the quantities of an individual, and those of them that a model needs.

    ``code`` assigns each name of $PK; ``columns`` are the data items, ``effects`` the
    names of thetas and etas there are. ``parameters`` fills with the names that are
    parameters of the model, each with its equation in effects and data items; ``let`` with those that follow.
    """

    code: Mapping[str, Expression]
    columns: frozenset[str]
    effects: frozenset[str]
    label: str
    parameters: dict[str, Expression] = field(default_factory=dict)
    let: dict[str, Expression] = field(default_factory=dict)

    def need(self, names: Iterable[str]) -> None:
        """Take in what equations are written in: names of $PK, effects, or covariates.

        A quantity that $PK computes from nothing but quantities of individuals (K = CL / V) stays an equation; any
        other is a parameter.
        """
        wanted = set(names)
        for name in sorted(wanted):
            self._take(name, wanted)
        place = {name: number for number, name in enumerate(self.code)}
        taken = sorted(self.parameters.items(), key=lambda item: place.get(item[0], len(place)))
        self.parameters.clear()
        self.parameters.update(taken)

    def expand(self, expression: Expression) -> Expression:
        """Write an expression in effects and data items alone."""
        seen = expression
        for _ in range(len(self.code) + 1):
            known = {name: self.code[name] for name in seen.names if name in self.code}
            if not known:
                return seen
            seen = substitute(seen, known)
        raise ModelError(f"{self.label}: $PK defines {expression} by itself")

    def _take(self, name: str, wanted: set[str]) -> None:
        if name in self.parameters or name in self.let:
            return
        if name in self.code and self._follows(name, wanted):
            self.let[name] = self.code[name]
            for used in sorted(self.code[name].names):
                self._take(used, wanted)
        elif name in self.code or name in self.effects or (name in self.columns and name not in RECORD):
            self.parameters[name] = self._checked(name)
        elif name in RECORD or name in ("TIME", "T"):
            raise ModelError(f"{self.label}: an equation uses {name}, which belongs to a record of the data")
        else:
            raise ModelError(f"{self.label}: {name} is used, but nothing assigns it and it is no data item")

    def _checked(self, name: str) -> Expression:
        """Write a parameter in effects and data items, all of which must be there."""
        equation = self.expand(Name(name))
        for leaf in sorted(equation.names - self.effects - self.columns - RECORD - {"TIME"}):
            if leaf.startswith("A__"):
                raise ModelError(f"{self.label}: $PK makes {name} of an amount, which cannot be expressed")
            shown = f"{leaf.replace('__', '(')})" if "__" in leaf else leaf
            raise ModelError(f"{self.label}: {name} uses {shown}, but nothing assigns it and it is no data item")
        return equation

    def _follows(self, name: str, wanted: set[str]) -> bool:
        """Whether a quantity is made of others that are themselves of individuals."""
        used = self.code[name].names
        if not used or not used <= self.code.keys():
            return False
        return all(one in wanted or self._varies(one) for one in used)

    def _varies(self, name: str) -> bool:
        return any(leaf.startswith("ETA__") for leaf in self.expand(Name(name)).names)


def value_of(equation: Expression, thetas: Mapping[str, float], covariates: Mapping[str, float]) -> float | None:
    """Value of a parameter's equation at random effects of 0; None where it needs a covariate that is not known."""
    known = {**thetas, **covariates} | {name: 0.0 for name in equation.names if name.startswith("ETA__")}
    if not equation.names <= known.keys():
        return None
    with np.errstate(all="ignore"):
        value = float(evaluate(equation, {name: np.float64(number) for name, number in known.items()}, ARRAYS))
    return value if np.isfinite(value) else None
