"""Random variables of what differs between patients, occasions, sites and studies, centred or not.

Non-centred, a patient's deviation is a standard normal variable; centred, the variable is the patient's parameter on
its scale, normal about the typical one. Both are the same model; which of them a sampler follows easily depends on how
much the data tell of each patient. Papaspiliopoulos, Roberts & Skold 2007, doi:10.1214/088342307000000014.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm

from cohorts.errors import PopulationError
from cohorts.specification.individuals import centre, factor, spreads
from cohorts.specification.parameters import SCALES, Parameter
from cohorts.specification.population import Population

Value = Any
Values = Mapping[str, Value]


def can_be_centred(population: Population, p: Parameter) -> bool:
    """Whether a parameter's typical value is known before the class of a mixture and patients differ in it at all."""
    mixtures = {m.name for m in population.mixtures}
    if p.between_subject is None or any(e.covariate in mixtures for e in p.effects):
        return False
    return p.between_subject.free or p.between_subject.values[0] > 0.0


def check_centring(population: Population) -> None:
    """Refuse a centred parameter that cannot be.

    Raises
    ------
    PopulationError
        Naming the parameter.
    """
    for p in population.parameters:
        if p.parameterisation == "centred" and not can_be_centred(population, p):
            raise PopulationError(
                f"parameters.{p.name}.parameterisation: got 'centred', wanted auto or non-centred: patients do not "
                f"differ in it, or it depends on the class of a mixture"
            )


def between_subjects(
    population: Population,
    values: Values,
    covariates: Values,
    weights: Values,
    shifts: Values,
    *,
    resolved: bool,
    xp: Any,
) -> dict[str, Value]:
    """Independent standard normal deviations of the patients by parameter, (subject), as random variables.

    Parameters
    ----------
    population, values, covariates, xp
        As `cohorts.specification.individuals.individual` takes them.
    weights
        By parameter 1 for centred, 0 for non-centred (symbols, so that a compiled model serves both); parameters that
        are not there are non-centred.
    shifts
        By parameter what each patient's site and study add to it on its scale, (subject): part of what centred
        parameters are about, or data that tell much of each patient would let a site move only with all its patients.
    resolved
        Whether occasions are told apart.
    """
    blocks = {name: (block, i) for block in population.correlations for i, name in enumerate(block.of)}
    factors = {block: factor(block, values, xp) for block, _ in blocks.values()}
    made: dict[str, Value] = {}
    for p in _in_order(population):
        if p.name not in weights:
            made[p.name] = pm.Normal(f"z_{p.name}", dims="subject")
            continue
        omega, _ = spreads(p, values, resolved, xp)
        mid, scale = SCALES[p.scale].link(centre(p, values, covariates, xp), p.limits, xp), omega
        mid = mid + shifts.get(p.name, 0.0)
        if p.name in blocks:
            block, i = blocks[p.name]
            row = factors[block][i]
            mid = mid + sum(omega * row[j] * made[block.of[j]] for j in range(i))
            scale = omega * row[i]
        start = SCALES[p.scale].link(p.typical.centre, p.limits, np)
        made[p.name] = _weighted(p.name, mid - start, scale, weights[p.name])
    return made


def _in_order(population: Population) -> list[Parameter]:
    """Parameters in which patients differ, those of a block in its order."""
    by_name = {p.name: p for p in population.parameters if p.between_subject}
    inside = [name for block in population.correlations for name in block.of]
    return [*(by_name[n] for n in inside), *(p for n, p in by_name.items() if n not in inside)]


def _weighted(name: str, mid: Value, scale: Value, weight: Value) -> Value:
    """Standard normal deviation from a variable that is it (weight 0) or the parameter on its scale (weight 1).

    On its scale the parameter is counted from the prior median of the typical value, so that chains may start near 0.
    """
    stretch = scale**weight
    inner = pm.Normal(f"phi_{name}", weight * mid, stretch, dims="subject")
    return pm.Deterministic(f"z_{name}", (inner - weight * mid) / stretch, dims="subject")
