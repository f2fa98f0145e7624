"""A population back to the plain mapping it can be read from."""

from dataclasses import replace
from typing import Any

from cohorts.covariates.given import Categorical, Covariate
from cohorts.specification.parameters import Correlation, Effect, LevelEffect, Parameter
from cohorts.specification.population import Population
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS, Residual


def mapping(population: Population) -> dict[str, Any]:
    """Plain mapping (text, numbers, lists) with every default written out."""
    return {
        "name": population.name,
        "reference": population.reference,
        "covariates": {c.name: _covariate(c) for c in population.covariates},
        "parameters": {p.name: _parameter(p) for p in population.parameters},
        "correlations": [_correlation(c) for c in population.correlations],
        "residual": {r.output: _residual(r) for r in population.residuals},
    }


def centred(population: Population) -> Population:
    """The population with every uncertain number fixed at its median."""
    return replace(
        population,
        parameters=tuple(_central(p) for p in population.parameters),
        correlations=tuple(_central_block(c) for c in population.correlations),
        residuals=tuple(replace(r, sigmas=_centres(r.sigmas)) for r in population.residuals),
    )


def _quantity(q: Quantity) -> dict[str, Any]:
    value = q.to_value()
    return {**(value if isinstance(value, dict) else {"value": value}), "source": q.source}


def _covariate(c: Covariate) -> dict[str, Any]:
    common = {"meaning": c.meaning, "source": c.source, **({"column": c.column} if c.column else {})}
    if isinstance(c, Categorical):
        return {**common, "levels": dict(zip(c.levels, c.probabilities, strict=True))}
    common["unit"] = c.unit
    if not c.given:
        return {**common, "distribution": _quantity(c.distributions[0])}
    return {
        **common,
        "given": c.given,
        "distributions": dict(zip(c.levels, map(_quantity, c.distributions), strict=True)),
    }


def _parameter(p: Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"unit": p.unit, "meaning": p.meaning, "scale": p.scale}
    made["typical"] = _quantity(p.typical)
    made["effects"] = {e.covariate: _effect(e) for e in p.effects}
    if p.between_subject:
        made["between_subject"] = {**_quantity(p.between_subject), "total": p.total}
    if p.between_occasion:
        made["between_occasion"] = _quantity(p.between_occasion)
    return made


def _effect(e: Effect | LevelEffect) -> dict[str, Any]:
    if isinstance(e, Effect):
        coefficient = _quantity(e.coefficient)
        return {"kind": e.kind, "reference": e.reference, "coefficient": coefficient}
    return {"kind": e.kind, "levels": dict(zip(e.levels, map(_quantity, e.coefficients), strict=True))}


def _correlation(c: Correlation) -> dict[str, Any]:
    given = {"matrix": [list(r) for r in c.matrix]} if c.matrix else {"lkj": c.lkj}
    return {"of": list(c.of), **given, "source": c.source}


def _residual(r: Residual) -> dict[str, Any]:
    sigmas = {s: _quantity(q) for s, q in zip(ERRORS[r.kind].sigmas, r.sigmas, strict=True)}
    return {"kind": r.kind, **sigmas}


def _centres(rows: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    return tuple(q.at_centre() for q in rows)


def _central(p: Parameter) -> Parameter:
    return replace(
        p,
        typical=p.typical.at_centre(),
        effects=tuple(_central_effect(e) for e in p.effects),
        between_subject=p.between_subject.at_centre() if p.between_subject else None,
        between_occasion=p.between_occasion.at_centre() if p.between_occasion else None,
    )


def _central_effect(e: Effect | LevelEffect) -> Effect | LevelEffect:
    if isinstance(e, Effect):
        return replace(e, coefficient=e.coefficient.at_centre())
    return replace(e, coefficients=_centres(e.coefficients))


def _central_block(c: Correlation) -> Correlation:
    if c.matrix:
        return c
    identity = tuple(tuple(float(i == j) for j in range(len(c.of))) for i in range(len(c.of)))
    return replace(c, partial=_centres(c.partial), lkj=None, matrix=identity)
