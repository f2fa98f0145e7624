"""A population with its uncertain numbers fixed at given values, such as the estimates of a fit by others."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cohorts.errors import PopulationError
from cohorts.specification.effects import Effect
from cohorts.specification.individuals import factor
from cohorts.specification.nodes import guess, number
from cohorts.specification.parameters import Correlation, Mixture, Parameter
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
    return replaced(population, found)


def replaced(population: Population, quantities: Mapping[str, tuple[Quantity, ...]]) -> Population:
    """The population with other quantities for some of its coefficients, by their names, one a level.

    Raises
    ------
    PopulationError
        If a quantity can leave the range its use allows.
    """
    known = {c.name: c.quantities for c in population.coefficients}
    found = {**known, **quantities}
    for name, rows in quantities.items():
        for q in rows:
            check(q, f"values.{name}", coefficient_supports(population)[name], strict=name.endswith("_pop"))
    return replace(
        population,
        parameters=tuple(_parameter(p, found) for p in population.parameters),
        correlations=tuple(_block(b, found, quantities) for b in population.correlations),
        residuals=tuple(
            replace(
                r,
                sigmas=tuple(found[n][0] for kind, n in r.names.items() if kind != "student"),
                student=found[r.names["student"]][0] if r.student else None,
            )
            for r in population.residuals
        ),
        outcomes=tuple(replace(o, own=tuple(found[n][0] for n in o.names.values())) for o in population.outcomes),
        mixtures=tuple(_mixture(m, found, quantities) for m in population.mixtures),
    )


def coefficient_supports(population: Population) -> dict[str, tuple[float, float]]:
    """Range in which each coefficient must lie, by its name; effects and an error's SD of either sign have none."""
    made: dict[str, tuple[float, float]] = {}
    for p in population.parameters:
        made[f"{p.name}_pop"] = p.limits
        made |= dict.fromkeys(p.spreads, _POSITIVE)
        if p.shape:
            made[f"shape_{p.name}"] = _REAL
        for e in p.effects:
            positive = isinstance(e, Effect) and e.kind == "maturation"
            made |= dict.fromkeys(e.names(p.name), _POSITIVE if positive else _REAL)
    made |= {f"rho_{a}_{b}": (-1.0, 1.0) for block in population.correlations for a, b in block.pairs}
    for r in population.residuals:
        rows = [*r.sigmas, *([r.student] if r.student else [])]
        made |= {n: _POSITIVE if q.support[0] >= 0.0 else _REAL for n, q in zip(r.names.values(), rows, strict=True)}
    made |= {n: _POSITIVE for o in population.outcomes for n in o.names.values()}
    return made | {n: (0.0, 1.0) for m in population.mixtures for n in m.names}


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
    spread = {name.removesuffix(f"_{p.name}"): found[name][0] for name in p.spreads}
    return replace(
        p,
        typical=found[f"{p.name}_pop"][0],
        effects=effects,
        between_subject=spread.get("omega"),
        between_occasion=spread.get("gamma"),
        between_site=spread.get("tau_site"),
        between_study=spread.get("tau_study"),
        shape=found[f"shape_{p.name}"][0] if p.shape else None,
    )


def _mixture(m: Mixture, found: Mapping[str, tuple[Quantity, ...]], given: Mapping[str, Any]) -> Mixture:
    if not set(m.names) & set(given):
        return m
    return replace(m, sticks=tuple(found[n][0] for n in m.names), dirichlet=())


def _block(block: Correlation, found: Mapping[str, tuple[Quantity, ...]], given: Mapping[str, Any]) -> Correlation:
    names = [f"rho_{a}_{b}" for a, b in block.pairs]
    if not set(names) & set(given):
        return block
    if any(found[name][0].free for name in names):
        missing = [name for name in names if found[name][0].free]
        raise PopulationError(f"values: missing {missing}; the correlations of a block are given all or none")
    numbers = {name: np.float64(found[name][0].values[0]) for name in names}
    rows = np.zeros((len(block.of), len(block.of)))
    for i, row in enumerate(factor(block, numbers, np)):
        rows[i, : len(row)] = row
    matrix = tuple(tuple(float(v) for v in row) for row in rows @ rows.T)
    return replace(block, partial=tuple(found[name][0] for name in names), lkj=None, matrix=matrix)
