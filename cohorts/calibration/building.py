"""A population as a PyMC model: the only place where random variables are made."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from cohorts.calibration.data import IndividualData, covariate_values, individual_data
from cohorts.covariates.given import Categorical, Covariate, Measured
from cohorts.errors import PopulationError
from cohorts.specification.individuals import individual
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import FAMILIES, Quantity, bounds
from cohorts.specification.residuals import ERRORS, Residual

Predict = Callable[[Mapping[str, Any]], Any]


def build(
    population: Population,
    cohort: int | IndividualData,
    *,
    occasions: int | None,
    predict: Predict | None,
    output: str,
) -> pm.Model:
    """PyMC model of a cohort; `Population.build` says what the arguments are."""
    if isinstance(cohort, bool) or (isinstance(cohort, int) and cohort < 1):
        raise PopulationError(f"cohort: got {cohort!r}, wanted a whole number >= 1, or data")
    data = None if isinstance(cohort, int) else individual_data(cohort)
    with pm.Model(coords=_coords(population, cohort, data, occasions)) as model:
        values = {c.name: _coefficient(c) for c in population.coefficients if c.fitted or occasions is not None}
        covariates = _drawn(population, model) if data is None else _given(population, data)
        parameters = _individuals(population, values, covariates, occasions, model)
        if data is not None and predict is not None:
            _measured(population.residual(output), predict(parameters), values, data)
    return model


def _coords(population: Population, cohort: Any, data: IndividualData | None, occasions: int | None) -> dict[str, Any]:
    coords: dict[str, Any] = {c.dims[0]: list(c.levels) for c in population.coefficients if c.levels}
    if data is None:
        coords["subject"] = np.arange(int(cohort))
    else:
        coords["subject"] = data.subjects
        coords["observation"] = np.arange(data.observations.sizes["observation"])
    if occasions is not None:
        coords["occasion"] = np.arange(occasions)
    return coords


def _coefficient(c: Coefficient) -> Any:
    if not c.levels:
        return _variable(c.name, c.quantities[0])
    free = [i for i, q in enumerate(c.quantities) if q.free]
    if not free:
        return [_constant(q) for q in c.quantities]
    drawn = _vector(f"{c.name}_free", [c.quantities[i] for i in free], shape=len(free))
    whole = [drawn[free.index(i)] if q.free else _constant(q) for i, q in enumerate(c.quantities)]
    named = pm.Deterministic(c.name, pt.stack(whole), dims=c.dims)
    return [named[i] for i in range(len(whole))]


def _variable(name: str, q: Quantity) -> Any:
    if not q.free:
        return _constant(q)
    row = FAMILIES[q.family]
    shift, stretch = row.affine
    if (shift, stretch) == (0.0, 1.0):
        return _vector(name, [q])
    return pm.Deterministic(name, shift + stretch * _vector(f"{name}_unit", [q]))


def _constant(q: Quantity) -> Any:
    """A fixed value in double precision: PyTensor would take a plain number for single."""
    return pt.as_tensor(np.asarray(q.values[0]))


def _vector(name: str, rows: list[Quantity], which: Any = None, **kind: Any) -> Any:
    """Random variable of one family; each element follows the row `which` points to (or its own, or the only one)."""
    row = FAMILIES[rows[0].family]
    numbers = {k: np.array([q.named[k] for q in rows]) for k in row.fields}
    low, high = bounds(rows)
    native = {k: _element(v, which) for k, v in row.native(numbers).items()}
    maker = getattr(pm, row.pymc)
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return maker(name, **native, **kind)
    limits = {"lower": low, "upper": high}
    shape = {"shape": kind["shape"]} if "shape" in kind else {}
    limits = {k: _element(v, which) for k, v in limits.items() if np.isfinite(v).any()}
    return pm.Truncated(name, maker.dist(**native, **shape), **limits, **kind)


def _element(values: Any, which: Any) -> Any:
    if which is not None:
        return pt.as_tensor(values)[which]
    return np.asarray(values[0]) if len(values) == 1 else values


def _drawn(population: Population, model: pm.Model) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for c in population.covariates:
        made[c.name] = _covariate(c, made, len(model.coords["subject"]))
    return made


def _covariate(c: Covariate, made: Mapping[str, Any], n: int) -> Any:
    if isinstance(c, Categorical):
        return pm.Categorical(c.name, p=np.array(c.probabilities), dims="subject")
    return _spread_out(c, made, n)


def _spread_out(c: Measured, made: Mapping[str, Any], n: int) -> Any:
    if not c.distributions[0].free:
        fixed = np.array([q.values[0] for q in c.distributions])
        return pt.as_tensor(fixed)[made[c.given]] if c.given else np.full(n, fixed[0])
    which = made[c.given] if c.given else np.zeros(n, dtype=np.int64)
    return _vector(c.name, list(c.distributions), which, dims="subject", shape=(n,))


def _given(population: Population, data: IndividualData) -> dict[str, Any]:
    return {name: pm.Data(name, v, dims="subject") for name, v in covariate_values(population, data).items()}


def _individuals(
    population: Population,
    values: Mapping[str, Any],
    covariates: Mapping[str, Any],
    occasions: int | None,
    model: pm.Model,
) -> dict[str, Any]:
    edge: tuple[int, ...] = ()
    z = {p.name: pm.Normal(f"z_{p.name}", dims="subject") for p in population.parameters if p.between_subject}
    k = None
    if occasions is not None:
        changing = [p.name for p in population.parameters if p.between_occasion]
        k = {name: pm.Normal(f"k_{name}", dims=("subject", "occasion")) for name in changing}
        covariates = {name: pt.as_tensor(v)[:, None] for name, v in covariates.items()}
        z = {name: v[:, None] for name, v in z.items()}
        edge = (1,)
    made = individual(population, values, covariates, z, k, xp=pt)
    n = len(model.coords["subject"])
    return {name: _named(name, v, n, edge, resolved=k is not None and name in k) for name, v in made.items()}


def _named(name: str, value: Any, n: int, edge: tuple[int, ...], *, resolved: bool) -> Any:
    """Individual values under their name; one that no patient differs in is repeated for each."""
    if resolved:
        return pm.Deterministic(name, value, dims=("subject", "occasion"))
    whole = pt.broadcast_to(pt.as_tensor(value), (n, *edge))
    return pm.Deterministic(name, whole[:, 0] if edge else whole, dims="subject")


def _measured(residual: Residual, predicted: Any, values: Mapping[str, Any], data: IndividualData) -> None:
    observed = np.asarray(data.observations["dv"].values, dtype=np.float64)
    sigma = residual.spread(predicted, values, pt)
    if ERRORS[residual.kind].log:
        pm.LogNormal(residual.output, pt.log(predicted), sigma, observed=observed, dims="observation")
    else:
        pm.Normal(residual.output, predicted, sigma, observed=observed, dims="observation")
