"""From a population to its patients: the equations, written once.

The same functions run on numpy arrays (drawing) and on PyTensor variables (fitting), so that the two cannot disagree.
Shapes are whatever broadcasts: drawing uses (replicate, subject, occasion), fitting (subject,) or (subject, occasion).
"""

from collections.abc import Mapping
from typing import Any

from cohorts.specification.effects import EFFECTS, LEVEL_EFFECTS, Effect, LevelEffect
from cohorts.specification.parameters import SCALES, Correlation, Parameter, bent
from cohorts.specification.population import Population

Value = Any
Values = Mapping[str, Value]

_LEAST_VARIANCE = 1e-24
"""Variance left between patients where occasions have all of it; its root has a derivative."""


def individual(
    population: Population,
    values: Values,
    covariates: Values,
    z: Values,
    k: Values | None,
    *,
    xp: Any,
    sites: Values | None = None,
    studies: Values | None = None,
) -> dict[str, Value]:
    """Parameters of each patient.

    Parameters
    ----------
    population
        The specification.
    values
        Population-level values by name (`Coefficient`); one array a level, as a sequence, where it has levels.
    covariates
        Covariates by name; codes for those with levels, and for the class of a mixture.
    z
        Standard normal deviation of each patient, by parameter that differs between patients.
    k
        Standard normal deviation of each occasion, by parameter that differs between occasions; None leaves occasions
        unresolved: then the patient's deviation is the only one.
    xp
        Array namespace: `numpy` or `pytensor.tensor`.
    sites, studies
        Standard normal deviation of each patient's site and study, by parameter that differs between them. None leaves
        them out: patients of a typical site or study.
    """
    z = correlated(population.correlations, values, z, xp)
    made: dict[str, Value] = {}
    for p in population.parameters:
        mid = centre(p, values, covariates, xp)
        deviation = xp.zeros_like(mid) + _deviation(p, values, z, k, xp)
        for kind, places in (("site", sites), ("study", studies)):
            if places is not None and p.name in places:
                deviation = deviation + values[f"tau_{kind}_{p.name}"] * places[p.name]
        made[p.name] = SCALES[p.scale].apply(mid, deviation, p.limits, xp)
    return made


def centre(p: Parameter, values: Values, covariates: Values, xp: Any) -> Value:
    """Typical value of the parameter among patients with these covariates; `individual` says what the arguments are."""
    found = values[f"{p.name}_pop"]
    for effect in p.effects:
        found = found * _factor(p.name, effect, values, covariates[effect.covariate], xp)
    return found


def _deviation(p: Parameter, values: Values, z: Values, k: Values | None, xp: Any) -> Value:
    between, within = spreads(p, values, k is not None, xp)
    deviation: Value = 0.0
    if between is not None:
        deviation = between * z[p.name]
        if p.shape is not None:
            deviation = bent(deviation, values[f"shape_{p.name}"], xp)
    if within is not None and k is not None:
        deviation = deviation + within * k[p.name]
    return deviation


def _factor(name: str, effect: Effect | LevelEffect, values: Values, covariate: Value, xp: Any) -> Value:
    coefficients = tuple(values[n] for n in effect.names(name))
    if isinstance(effect, Effect):
        return EFFECTS[effect.kind].apply(covariate, coefficients, effect.reference, xp)
    apply, beta = LEVEL_EFFECTS[effect.kind], coefficients[0]
    factor = apply(beta[0]) + xp.zeros_like(covariate, dtype="float64")
    for code in range(1, len(effect.levels)):
        factor = xp.where(xp.equal(covariate, code), apply(beta[code]), factor)
    return factor


def spreads(p: Parameter, values: Values, resolved: bool, xp: Any) -> tuple[Value | None, Value | None]:
    """Standard deviations of a parameter between patients and, where they are resolved, between occasions.

    Where the estimate between patients is a total, the occasion's variance is taken out of it; it cannot be more than
    the total, which is what the data saw.
    """
    omega = values[f"omega_{p.name}"] if p.between_subject else None
    gamma = values[f"gamma_{p.name}"] if p.between_occasion and resolved else None
    if not p.total or omega is None or gamma is None:
        return omega, gamma
    gamma = xp.minimum(gamma, omega)
    return xp.sqrt(xp.maximum(omega**2 - gamma**2, _LEAST_VARIANCE)), gamma


def correlated(blocks: tuple[Correlation, ...], values: Values, z: Values, xp: Any) -> dict[str, Value]:
    """Standard normal deviations with the correlations of each block, from independent ones."""
    made = dict(z)
    for block in blocks:
        for i, row in enumerate(factor(block, values, xp)):
            made[block.of[i]] = sum(weight * z[name] for weight, name in zip(row, block.of, strict=False))
    return made


def factor(block: Correlation, values: Values, xp: Any) -> list[list[Value]]:
    """Cholesky factor of a correlation matrix from its canonical partial correlations, row by row."""
    rows: list[list[Value]] = []
    for i, last in enumerate(block.of):
        left: Value = 1.0
        row: list[Value] = []
        for other in block.of[:i]:
            partial = values[f"rho_{other}_{last}"]
            row.append(partial * xp.sqrt(left))
            left = left * (1.0 - partial**2)
        rows.append([*row, xp.sqrt(left) if i else 1.0])
    return rows
