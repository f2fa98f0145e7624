"""A population with its uncertain numbers fixed at given values, such as the estimates of a fit by others."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cohorts.errors import PopulationError
from cohorts.specification.individuals import factor
from cohorts.specification.nodes import guess, number
from cohorts.specification.parameters import Correlation, Parameter
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import Quantity, check

Values = Mapping[str, float | Mapping[str, float]]
"""By name of a coefficient its value, or one a level."""

_POSITIVE = (0.0, math.inf)
_REAL = (-math.inf, math.inf)


def at_values(population: Population, values: Values) -> Population:
    """The population with every coefficient at a value.

    Parameters
    ----------
    population
        The specification.
    values
        By name of a coefficient (`Coefficient`) its value; by level where it has levels. Fixed coefficients, those that
        one occasion cannot inform and levels whose coefficient is fixed may be left out.

    Raises
    ------
    PopulationError
        If a name is unknown, an uncertain coefficient has no value, or a value is impossible.
    """
    known = {c.name: c for c in population.coefficients}
    if unknown := sorted(set(values) - set(known)):
        raise PopulationError(
            f"values: got {unknown[0]!r}, wanted some of {list(known)}{guess(unknown[0], list(known))}"
        )
    if missing := [c.name for c in known.values() if c.free and c.fitted and c.name not in values]:
        raise PopulationError(f"values: missing {missing}")
    found = {name: _of(c, values.get(name)) for name, c in known.items()}
    return replace(
        population,
        parameters=tuple(_parameter(p, found) for p in population.parameters),
        correlations=tuple(_block(b, found) for b in population.correlations),
        residuals=tuple(
            replace(
                r,
                sigmas=tuple(found[n][0] for kind, n in r.names.items() if kind != "student"),
                student=found[r.names["student"]][0] if r.student else None,
            )
            for r in population.residuals
        ),
        outcomes=tuple(replace(o, own=tuple(found[n][0] for n in o.names.values())) for o in population.outcomes),
        mixtures=tuple(
            replace(m, sticks=tuple(found[n][0] for n in m.names), dirichlet=()) for m in population.mixtures
        ),
    )


def _of(c: Coefficient, given: Any) -> tuple[Quantity, ...]:
    if given is None:
        return tuple(q.at_centre() for q in c.quantities)
    if not c.levels:
        return (_fixed(c.quantities[0], given, c.name),)
    if not isinstance(given, Mapping):
        raise PopulationError(f"values.{c.name}: got {given!r}, wanted a value for each of {list(c.levels)}")
    if unknown := sorted(set(given) - set(c.levels)):
        raise PopulationError(f"values.{c.name}: got {unknown}, wanted some of {list(c.levels)}")
    if missing := [lv for lv, q in zip(c.levels, c.quantities, strict=True) if q.free and lv not in given]:
        raise PopulationError(f"values.{c.name}: missing {missing}")
    return tuple(
        _fixed(q, given.get(lv, q.centre), f"{c.name}.{lv}") for lv, q in zip(c.levels, c.quantities, strict=True)
    )


def _fixed(q: Quantity, value: Any, name: str) -> Quantity:
    """The value in place of a quantity, within the quantity's own range."""
    made = Quantity("fixed", (number(value, f"values.{name}"),), q.source)
    return check(made, f"values.{name}", q.support if q.free else _REAL)


def _parameter(p: Parameter, found: Mapping[str, tuple[Quantity, ...]]) -> Parameter:
    effects = tuple(
        replace(e, coefficients=tuple(q for name in e.names(p.name) for q in found[name])) for e in p.effects
    )
    spread = {name.removesuffix(f"_{p.name}"): check(found[name][0], f"values.{name}", _POSITIVE) for name in p.spreads}
    return replace(
        p,
        typical=check(found[f"{p.name}_pop"][0], f"values.{p.name}_pop", p.limits, strict=True),
        effects=effects,
        between_subject=spread.get("omega"),
        between_occasion=spread.get("gamma"),
        between_site=spread.get("tau_site"),
        between_study=spread.get("tau_study"),
        shape=found[f"shape_{p.name}"][0] if p.shape else None,
    )


def _block(block: Correlation, found: Mapping[str, tuple[Quantity, ...]]) -> Correlation:
    names = [f"rho_{a}_{b}" for a, b in block.pairs]
    numbers = {name: np.float64(found[name][0].values[0]) for name in names}
    rows = np.zeros((len(block.of), len(block.of)))
    for i, row in enumerate(factor(block, numbers, np)):
        rows[i, : len(row)] = row
    matrix = rows @ rows.T
    return replace(
        block,
        partial=tuple(found[name][0] for name in names),
        lkj=None,
        matrix=tuple(tuple(float(v) for v in row) for row in matrix),
    )
