"""Fits of the same model to the same data by others, to show beside our posterior."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trials.errors import TrialError


@dataclass(frozen=True, slots=True)
class Reference:
    """One number of such a fit: its estimate and standard error, under the name our population has for it."""

    name: str
    estimate: float
    error: float
    fit: str
    source: str


def read_references(spec: Iterable[Mapping[str, Any]], known: Iterable[str]) -> tuple[Reference, ...]:
    """Reference fits of a data set, from ``data.reference_fits`` of the configuration.

    Parameters
    ----------
    spec
        Each with ``fit``, ``source`` and ``values``: estimate and standard error by name.
    known
        Names of the population's numbers.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    names = list(known)
    return tuple(row for index, fit in enumerate(spec) for row in _fit(f"data.reference_fits[{index}]", fit, names))


def _fit(where: str, fit: Mapping[str, Any], known: list[str]) -> list[Reference]:
    if (
        not isinstance(fit, Mapping)
        or set(fit) != {"fit", "source", "values"}
        or not isinstance(fit["values"], Mapping)
    ):
        raise TrialError(f"{where}: wants the fields fit, source and values, got {fit!r}")
    rows = []
    for name, pair in fit["values"].items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise TrialError(f"{where}.values.{name}: the population has no such number{hint}")
        rows.append(Reference(str(name), *_pair(f"{where}.values.{name}", pair), str(fit["fit"]), str(fit["source"])))
    return rows


def _pair(where: str, pair: Any) -> tuple[float, float]:
    numbers = [*pair.values()] if isinstance(pair, Mapping) and set(pair) == {"estimate", "se"} else []
    right = all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
    if not numbers or not right or not pair["se"] > 0:
        raise TrialError(f"{where}: wants an estimate and a standard error above 0, got {pair!r}")
    return float(pair["estimate"]), float(pair["se"])
