"""Random variables of what differs between patients, occasions, sites and studies, centred or not.

Non-centred, a patient's deviation is a standard normal variable; centred, the variable is the patient's parameter on
its scale, normal about the typical one. Both are the same model; which of them a sampler follows easily depends on how
much the data tell of each patient. Papaspiliopoulos, Roberts & Skold 2007, doi:10.1214/088342307000000014.

Where the typical value depends on the class of a mixture, which nobody observes, the standard normal variable is the
same in every class, and the patient's parameter another in each; or the parameter is the same, with the density
sum_k share_k N(parameter; middle_k, spread), and the deviation another. Where the data tell a patient's parameter well
its posterior has one mode, but that of the standard normal variable one for each class, between which chains do not
pass; where they tell little it is the other way round.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm

from cohorts.errors import PopulationError
from cohorts.specification.individuals import centre, factor, spreads
from cohorts.specification.parameters import SCALES, Correlation, Parameter
from cohorts.specification.population import Population

Value = Any
Values = Mapping[str, Value]
Orders = Mapping[tuple[str, ...], tuple[str, ...]]
"""By the parameters of a block the order in which a fit draws them; those that are not there as the block has them."""


def can_be_centred(p: Parameter) -> bool:
    """Whether patients differ in a parameter at all."""
    return p.between_subject is not None and (p.between_subject.free or p.between_subject.values[0] > 0.0)


def check_centring(population: Population) -> None:
    """Refuse a centred parameter that cannot be.

    Raises
    ------
    PopulationError
        Naming the parameter.
    """
    for p in population.parameters:
        if p.parameterisation == "centred" and not can_be_centred(p):
            raise PopulationError(
                f"parameters.{p.name}.parameterisation: got 'centred', wanted auto or non-centred: patients do not "
                f"differ in it"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Variables:
    """Random variables of a model, each made when it is first asked for; of a mixture as one class sees them.

    Attributes
    ----------
    made
        Those that exist, by name; the classes of a mixture share them.
    dependent
        Names of those that are normal about another middle in every class, and so have no density of their own.
    densities
        Log densities in this class of the dependent ones, each (subject).
    """

    made: dict[str, Value] = field(default_factory=dict)
    dependent: Collection[str] = ()
    densities: list[Value] = field(default_factory=list)

    def normal(
        self, name: str, mid: Value = 0.0, spread: Value = 1.0, dims: str | tuple[str, ...] = "subject"
    ) -> Value:
        """The normal variable of a name."""
        depends = name in self.dependent
        if name not in self.made:
            self.made[name] = pm.Flat(name, dims=dims) if depends else pm.Normal(name, mid, spread, dims=dims)
        if depends:
            self.densities.append(pm.logp(pm.Normal.dist(mid, spread), self.made[name]))
        return self.made[name]


def about_classes(population: Population) -> set[str]:
    """Parameters whose typical value depends on the class of a mixture, with all others of their blocks."""
    mixtures = {m.name for m in population.mixtures}
    found = {p.name for p in population.parameters if any(e.covariate in mixtures for e in p.effects)}
    for block in population.correlations:
        if found & set(block.of):
            found |= set(block.of)
    return found


def between_subjects(
    population: Population,
    values: Values,
    covariates: Values,
    weights: Values,
    shifts: Values,
    *,
    orders: Orders,
    resolved: bool,
    variables: Variables,
    xp: Any,
) -> dict[str, Value]:
    """Independent standard normal deviations of the patients by parameter, (subject), from random variables.

    Parameters
    ----------
    population, values, covariates, xp
        As `cohorts.specification.individuals.individual` takes them.
    weights
        By parameter 1 for centred, 0 for non-centred, or between (symbols, so that a compiled model serves all);
        parameters that are not there are non-centred.
    shifts
        By parameter what each patient's site and study add to it on its scale, (subject): part of what centred
        parameters are about, or data that tell much of each patient would let a site move only with all its patients.
    orders
        Of blocks whose parameters are all in `weights`.
    resolved
        Whether occasions are told apart.
    variables
        Makes ``z_<p>``, or ``phi_<p>`` of those in `weights`.
    """
    blocks = [(b, orders.get(b.of, b.of)) for b in population.correlations]
    rows = {name: row for b, of in blocks for name, row in zip(of, factor_of(b, values, of, xp), strict=True)}
    before = {name: of[:i] for _, of in blocks for i, name in enumerate(of)}
    made: dict[str, Value] = {}
    for p in _in_order(population, [name for _, of in blocks for name in of]):
        if p.name not in weights:
            made[p.name] = variables.normal(f"z_{p.name}")
            continue
        omega, _ = spreads(p, values, resolved, xp)
        mid, scale = SCALES[p.scale].link(centre(p, values, covariates, xp), p.limits, xp), omega
        mid = mid + shifts.get(p.name, 0.0)
        if p.name in before:
            row = rows[p.name]
            mid = mid + sum(omega * weight * made[name] for weight, name in zip(row, before[p.name], strict=False))
            scale = omega * row[-1]
        start = SCALES[p.scale].link(p.typical.centre, p.limits, np)
        made[p.name] = _weighted(variables, p.name, mid - start, scale, weights[p.name])
    for block, of in blocks:
        if of != block.of:
            whole = {n: sum(w * made[m] for w, m in zip(rows[n], of, strict=False)) for n in of}
            made |= innovations(block.of, factor(block, values, xp), whole)
    return made


def factor_of(block: Correlation, values: Values, of: Sequence[str], xp: Any) -> list[list[Value]]:
    """Cholesky factor of a block's correlation matrix, its parameters in another order, row by row."""
    rows = dict(zip(block.of, factor(block, values, xp), strict=True))
    if tuple(of) == block.of:
        return list(rows.values())
    made: list[list[Value]] = []
    for name in of:
        row: list[Value] = []
        for other, done in zip(of, made, strict=False):
            together = sum(a * b for a, b in zip(rows[name], rows[other], strict=False))
            row.append((together - sum(a * b for a, b in zip(row, done, strict=False))) / done[-1])
        made.append([*row, xp.sqrt(1.0 - sum(a**2 for a in row)) if row else 1.0])
    return made


def innovations(of: Sequence[str], rows: Sequence[Sequence[Value]], whole: Values) -> dict[str, Value]:
    """What is each parameter's own beyond those before it, from correlated deviations: the factor's `rows` undone."""
    made: dict[str, Value] = {}
    for name, row in zip(of, rows, strict=True):
        known = sum(weight * made[other] for weight, other in zip(row, of, strict=False) if other in made)
        made[name] = (whole[name] - known) / row[-1]
    return made


def _in_order(population: Population, inside: Sequence[str]) -> list[Parameter]:
    """Parameters in which patients differ, those of blocks (`inside`) first and in their order."""
    by_name = {p.name: p for p in population.parameters if p.between_subject}
    return [*(by_name[n] for n in inside), *(p for n, p in by_name.items() if n not in inside)]


def _weighted(variables: Variables, name: str, mid: Value, scale: Value, weight: Value) -> Value:
    """Standard normal deviation from a variable that is it (weight 0) or the parameter on its scale (weight 1).

    On its scale the parameter is counted from the prior median of the typical value, so that chains may start near 0.
    """
    stretch = scale**weight
    inner = variables.normal(f"phi_{name}", weight * mid, stretch)
    return (inner - weight * mid) / stretch
