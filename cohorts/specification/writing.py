"""A population back to the plain mapping it can be read from."""

from dataclasses import replace
from typing import Any

from cohorts.covariates.base import CovariateModel
from cohorts.covariates.given import Categorical, Covariate
from cohorts.specification.effects import EFFECTS, Effect, LevelEffect
from cohorts.specification.outcomes import OUTCOMES, Outcome
from cohorts.specification.parameters import SCALES, Correlation, Mixture, Parameter
from cohorts.specification.population import Population
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS, Residual


def mapping(population: Population) -> dict[str, Any]:
    """Plain mapping (text, numbers, lists) with defaults written out; what a population does not use is left out."""
    made: dict[str, Any] = {
        "name": population.name,
        "reference": population.reference,
        "covariates": {c.name: _covariate(c) for c in population.covariates},
        "parameters": {p.name: _parameter(p) for p in population.parameters},
        "correlations": [_correlation(c) for c in population.correlations],
        "residual": {r.output: _residual(r) for r in population.residuals},
    }
    rest: dict[str, Any] = {
        "outcomes": {o.output: _outcome(o) for o in population.outcomes},
        "mixture": {m.name: _mixture(m) for m in population.mixtures},
        "eligibility": [c.to_dict() for c in population.eligibility],
    }
    return made | {key: value for key, value in rest.items() if value}


def centred(population: Population) -> Population:
    """The population with every uncertain number fixed at its median."""
    return replace(
        population,
        parameters=tuple(_central(p) for p in population.parameters),
        correlations=tuple(_central_block(c) for c in population.correlations),
        residuals=tuple(
            replace(r, sigmas=_centres(r.sigmas), student=_central_or_none(r.student)) for r in population.residuals
        ),
        outcomes=tuple(replace(o, own=_centres(o.own)) for o in population.outcomes),
        mixtures=tuple(replace(m, sticks=_centres(m.sticks), dirichlet=()) for m in population.mixtures),
    )


def _quantity(q: Quantity) -> dict[str, Any]:
    value = q.to_value()
    return {**(value if isinstance(value, dict) else {"value": value}), "source": q.source}


def _covariate(c: Covariate | CovariateModel) -> dict[str, Any]:
    if isinstance(c, CovariateModel):
        return c.to_dict()
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
    if SCALES[p.scale].bounded:
        made["low"], made["high"] = p.limits
    if p.shape:
        made["shape"] = _quantity(p.shape)
    made["typical"] = _quantity(p.typical)
    made["effects"] = {e.covariate: _effect(e) for e in p.effects}
    if p.between_subject:
        made["between_subject"] = {**_quantity(p.between_subject), "total": p.total}
    rest = {"occasion": p.between_occasion, "site": p.between_site, "study": p.between_study}
    made |= {f"between_{kind}": _quantity(q) for kind, q in rest.items() if q}
    return made if p.parameterisation == "auto" else {**made, "parameterisation": p.parameterisation}


def _effect(e: Effect | LevelEffect) -> dict[str, Any]:
    if isinstance(e, LevelEffect):
        return {"kind": e.kind, "levels": dict(zip(e.levels, map(_quantity, e.coefficients), strict=True))}
    row = EFFECTS[e.kind]
    reference = {"reference": e.reference} if row.reference else {}
    return {"kind": e.kind, **reference, **dict(zip(row.fields, map(_quantity, e.coefficients), strict=True))}


def _correlation(c: Correlation) -> dict[str, Any]:
    given = {"matrix": [list(r) for r in c.matrix]} if c.matrix else {"lkj": c.lkj}
    return {"of": list(c.of), **given, "source": c.source}


def _residual(r: Residual) -> dict[str, Any]:
    sigmas = {s: _quantity(q) for s, q in zip(ERRORS[r.kind].sigmas, r.sigmas, strict=True)}
    student = {"student": _quantity(r.student)} if r.student else {}
    return {"kind": r.kind, **sigmas, **student, **({"blq": r.blq} if r.blq else {})}


def _outcome(o: Outcome) -> dict[str, Any]:
    row = OUTCOMES[o.kind]
    own = dict(zip(row.fields, map(_quantity, o.own), strict=True))
    return {"kind": o.kind, **own, **dict(zip(row.outputs, o.drivers, strict=True))}


def _mixture(m: Mixture) -> dict[str, Any]:
    numbers = m.dirichlet or m.shares(tuple(q.values[0] for q in m.sticks))
    key = "dirichlet" if m.dirichlet else "levels"
    return {"meaning": m.meaning, key: dict(zip(m.levels, numbers, strict=True)), "source": m.source}


def _centres(rows: tuple[Quantity, ...]) -> tuple[Quantity, ...]:
    return tuple(q.at_centre() for q in rows)


def _central_or_none(q: Quantity | None) -> Quantity | None:
    return q.at_centre() if q else None


def _central(p: Parameter) -> Parameter:
    return replace(
        p,
        typical=p.typical.at_centre(),
        effects=tuple(replace(e, coefficients=_centres(e.coefficients)) for e in p.effects),
        between_subject=_central_or_none(p.between_subject),
        between_occasion=_central_or_none(p.between_occasion),
        between_site=_central_or_none(p.between_site),
        between_study=_central_or_none(p.between_study),
        shape=_central_or_none(p.shape),
    )


def _central_block(c: Correlation) -> Correlation:
    if c.matrix:
        return c
    identity = tuple(tuple(float(i == j) for j in range(len(c.of))) for i in range(len(c.of)))
    return replace(c, partial=_centres(c.partial), lkj=None, matrix=identity)
