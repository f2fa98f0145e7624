"""Factors by which subjects are told apart when randomised: covariates, cut where they are numbers, and sites."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from trials.checks import Number, fields, label, refuse
from trials.making import known


@dataclass(frozen=True, slots=True)
class Factor:
    """One variable of the subjects, as levels."""

    variable: str
    """A covariate of the population, ``site`` or ``region``."""
    cuts: tuple[float, ...] = ()
    """Where a number is cut into levels: a value at a cut belongs to the level above it."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "randomisation.factors", variable=label, cuts=_cuts)

    def levels(self, subjects: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the level of each subject, int (replicate, subject), and the names of the levels.

        Raises
        ------
        TrialError
            When there is no such variable, or it is a number and has no cuts, or has levels and cuts.
        """
        if self.variable not in subjects or set(subjects[self.variable].dims) != {"replicate", "subject"}:
            have = [str(name) for name, one in subjects.items() if set(one.dims) == {"replicate", "subject"}]
            raise refuse("randomisation.factors", self.variable, f"one of {', '.join(have)}")
        variable = subjects[self.variable]
        names = variable.attrs.get("levels", variable.attrs.get("names"))
        if (names is None) != bool(self.cuts):
            wanted = "cuts, for it is a number" if names is None else "no cuts, for it has levels"
            raise refuse("randomisation.factors", self.variable, wanted)
        values = variable.transpose("replicate", "subject").values
        if names is not None:
            return values.astype(np.int64), tuple(map(str, names))
        return np.searchsorted(self.cuts, values, side="right"), self._names()

    def _names(self) -> tuple[str, ...]:
        ends = [f"{cut:g}" for cut in self.cuts]
        between = [f"{low}-{high}" for low, high in pairwise(ends)]
        return (f"<{ends[0]}", *between, f">={ends[-1]}")


def read_factors(where: str, value: object) -> tuple[Factor, ...]:
    """Coerce a list of names, of mappings ``{variable, cuts}`` or of factors.

    Raises
    ------
    TrialError
        Naming the field, when there is none or one stands twice.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of factors")
    made = tuple(_factor(f"{where}[{index}]", each) for index, each in enumerate(value))
    names = [factor.variable for factor in made]
    if not made or len(set(names)) < len(names):
        raise refuse(where, names, "one or more distinct variables")
    return made


def crossed(factors: tuple[Factor, ...], subjects: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the combination of levels of each subject, int (replicate, subject), and the names of all combinations."""
    found = [factor.levels(subjects) for factor in factors]
    codes, names = found[0]
    for more, others in found[1:]:
        codes = codes * len(others) + more
        names = tuple(f"{one} / {other}" for one in names for other in others)
    return codes, names


def _factor(where: str, value: object) -> Factor:
    if isinstance(value, Factor):
        return value
    if isinstance(value, str):
        return Factor(value)
    if not isinstance(value, Mapping):
        raise refuse(where, value, "the name of a variable, or a mapping of variable and cuts")
    known(where, value, ("variable", "cuts"))
    return Factor(**{"variable": None, **value})


def _cuts(where: str, value: object) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of increasing numbers")
    made = tuple(Number()(where, each) for each in value)
    if any(later <= earlier for earlier, later in pairwise(made)):
        raise refuse(where, value, "increasing numbers")
    return made
