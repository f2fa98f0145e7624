"""A population as a PyMC model: the only place where random variables are made."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from cohorts.calibration.data import IndividualData, covariate_values, individual_data
from cohorts.calibration.deviations import (
    Orders,
    Variables,
    about_classes,
    between_subjects,
    check_centring,
)
from cohorts.calibration.people import PLACES, changing, sharing, told_apart, within
from cohorts.calibration.rows import Measurements, measurements
from cohorts.covariates.base import CovariateModel
from cohorts.covariates.given import Categorical, Covariate, Measured
from cohorts.covariates.graph import drawn as covariate_model
from cohorts.errors import PopulationError
from cohorts.specification.individuals import individual
from cohorts.specification.parameters import Mixture
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import FAMILIES, Quantity, bounds
from cohorts.specification.residuals import Residual

Predict = Callable[[Mapping[str, Any]], Any]


def build(
    population: Population,
    cohort: int | IndividualData | None,
    *,
    occasions: int | None,
    predict: Predict | None,
    output: str,
    studies: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
    orders: Orders | None = None,
    refitted: bool = False,
) -> pm.Model:
    """PyMC model of a cohort; `Population.build` says what the arguments are.

    `weights` holds, by parameter, from 0 to 1 how far a fit samples it centred; they become data of the model named
    ``centred_<p>``. Without them those are centred whose ``parameterisation`` says so. `orders` are those in which
    correlated deviations are drawn. `refitted` says that what was observed becomes data too, ``dv_<output>`` and
    ``below_<output>``, so that a compiled fit serves other measurements.
    """
    if isinstance(cohort, bool) or (isinstance(cohort, int) and cohort < 1):
        raise PopulationError(f"cohort: got {cohort!r}, wanted a whole number >= 1, or data")
    if cohort is None:
        return _nobody(population, studies)
    check_centring(population)
    data = None if isinstance(cohort, int) else individual_data(cohort)
    if data is not None and occasions is None:
        occasions = told_apart(population, data)
    measured = () if data is None or predict is None else measurements(population, data, output)
    with pm.Model(coords=_coords(population, cohort, data, occasions, measured)) as model:
        measured = tuple(_exchangeable(one) for one in measured) if refitted else measured
        values = population_level(population, occasions=occasions is not None)
        covariates = _drawn(population, model) if data is None else _given(population, data)
        people = _People(population, values, covariates, occasions, data, len(model.coords["subject"]))
        centring = _Centring(_weights(population, weights), orders or {})
        if population.mixtures and measured and predict is not None:
            _marginal(people, centring, measured, predict)
            return model
        if population.mixtures:
            covariates = covariates | {m.name: _classes(m, values) for m in population.mixtures}
        deviations = people.deviations(centring, covariates, Variables())
        deviations["z"] |= _named(deviations["z"], centring.weights)
        parameters = people.named(people.individuals(deviations, covariates))
        if predict is not None and measured:
            predicted = predict(parameters)
            for one in measured:
                pm.Potential(one.output, one.log_likelihood(predicted, values, pt), dims=one.dim)
    return model


def _nobody(population: Population, studies: Sequence[str]) -> pm.Model:
    """Population-level values and deviations of studies, without patients."""
    levels = {c.dims[0]: list(c.levels) for c in population.coefficients if c.levels}
    with pm.Model(coords={**levels, "study": list(studies) or ["0"]}) as model:
        population_level(population, occasions=False)
        for name in sharing(population, "study"):
            pm.Normal(f"t_{name}", dims="study")
    return model


def _exchangeable(one: Measurements) -> Measurements:
    """The same observations as data of the model."""
    dv: Any = pm.Data(f"dv_{one.output}", one.dv, dims=one.dim)
    if not (isinstance(one.endpoint, Residual) and one.endpoint.blq and np.isfinite(one.lloq).any()):
        return replace(one, dv=dv)
    below: Any = pt.gt(pm.Data(f"below_{one.output}", one.below.astype(np.float64), dims=one.dim), 0.5)
    return replace(one, dv=dv, below=below, lloq=np.where(np.isfinite(one.lloq), one.lloq, 1.0))


def _weights(population: Population, given: Mapping[str, float] | None) -> dict[str, Any]:
    if given is not None:
        return {name: pm.Data(f"centred_{name}", np.asarray(float(weight))) for name, weight in given.items()}
    return {p.name: 1.0 for p in population.parameters if p.parameterisation == "centred"}


def _coords(
    population: Population,
    cohort: Any,
    data: IndividualData | None,
    occasions: int | None,
    measured: tuple[Measurements, ...],
) -> dict[str, Any]:
    coords: dict[str, Any] = {c.dims[0]: list(c.levels) for c in population.coefficients if c.levels}
    coords |= {f"{m.name}_class": list(m.levels) for m in population.mixtures}
    if data is None:
        coords["subject"] = np.arange(int(cohort))
    else:
        coords["subject"] = data.subjects
        coords["observation"] = np.arange(data.observations.sizes["observation"])
        coords |= {one.dim: one.index for one in measured if not one.whole}
    for kind in PLACES:
        if sharing(population, kind):
            coords[kind] = ["0"] if data is None else data.places(kind)[0]
    if occasions is not None:
        coords["occasion"] = np.arange(occasions)
    return coords


def population_level(population: Population, *, occasions: bool) -> dict[str, Any]:
    """Random variables of the population-level values, by name (one a level, as a sequence), in the model of a context.

    `occasions` says whether occasions are told apart. The model needs the coordinates of the levels.
    """
    return {c.name: _coefficient(c) for c in population.coefficients if c.fitted or occasions}


def _coefficient(c: Coefficient) -> Any:
    return _levels(c) if c.levels else _variable(c.name, c.quantities[0])


def _levels(c: Coefficient) -> Any:
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
    about = {v.name: v for v in population.variables}
    for c in population.covariates:
        if isinstance(c, CovariateModel):
            made |= covariate_model(c, {name: (about[name], value) for name, value in made.items()})
        else:
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


def _classes(m: Mixture, values: Mapping[str, Any]) -> Any:
    return pm.Categorical(m.name, p=pt.stack(_shares(m, values)), dims="subject")


def _shares(m: Mixture, values: Mapping[str, Any]) -> list[Any]:
    return m.shares(tuple(values[name] for name in m.names))


def _named(z: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Deviations that are no variables of the model themselves, under their names in it."""
    return {name: pm.Deterministic(f"z_{name}", v, dims="subject") for name, v in z.items() if name in names}


@dataclass(frozen=True, slots=True)
class _Centring:
    """How far patients' deviations are centred by parameter, and the orders in which those of blocks are drawn."""

    weights: Mapping[str, Any]
    orders: Orders


@dataclass(frozen=True, slots=True)
class _People:
    """Whose parameters are worked out, and from what."""

    population: Population
    values: Mapping[str, Any]
    covariates: Mapping[str, Any]
    occasions: int | None
    data: IndividualData | None
    count: int

    def deviations(
        self, centring: _Centring, covariates: Mapping[str, Any], variables: Variables
    ) -> dict[str, dict[str, Any]]:
        """Standard normal deviations by parameter: ``z`` of patients, ``k`` of occasions, of sites and studies."""
        made: dict[str, dict[str, Any]] = {}
        shifts: dict[str, Any] = {}
        told = self.occasions is not None
        for kind, letter in PLACES.items():
            names = sharing(self.population, kind)
            if names:
                where = np.zeros(self.count, dtype=np.intp) if self.data is None else self.data.places(kind)[1]
                made[kind] = {name: variables.normal(f"{letter}_{name}", dims=kind)[where] for name in names}
                for name, d in made[kind].items():
                    shifts[name] = shifts.get(name, 0.0) + self.values[f"tau_{kind}_{name}"] * d
        made["z"] = between_subjects(
            self.population,
            self.values,
            covariates,
            centring.weights,
            shifts,
            orders=centring.orders,
            resolved=told,
            variables=variables,
            xp=pt,
        )
        if told:
            names = changing(self.population)
            made["k"] = {name: variables.normal(f"k_{name}", dims=("subject", "occasion")) for name in names}
        return made

    def individuals(self, deviations: Mapping[str, Mapping[str, Any]], covariates: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of each patient, (subject) or (subject, occasion)."""
        k = deviations.get("k")
        places = {kind: deviations.get(kind) for kind in PLACES}
        z: Mapping[str, Any] = deviations["z"]
        if k is not None:
            covariates = {name: pt.as_tensor(v)[:, None] for name, v in covariates.items()}
            z = {name: v[:, None] for name, v in z.items()}
            places = {kind: v and {name: d[:, None] for name, d in v.items()} for kind, v in places.items()}
        made = individual(
            self.population, self.values, covariates, z, k, xp=pt, sites=places["site"], studies=places["study"]
        )
        return {name: self._whole(value, resolved=k is not None and name in k) for name, value in made.items()}

    def _whole(self, value: Any, *, resolved: bool) -> Any:
        """Values of all patients; one that no patient differs in is repeated for each."""
        value = pt.as_tensor(value)
        if self.occasions is None:
            return pt.broadcast_to(value, (self.count,))
        if resolved:
            return pt.broadcast_to(value, (self.count, self.occasions))
        return pt.broadcast_to(value, (self.count, 1))[:, 0]

    def named(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The same values under their names in the model."""
        dims = {1: ("subject",), 2: ("subject", "occasion")}
        return {name: pm.Deterministic(name, v, dims=dims[v.ndim]) for name, v in parameters.items()}


def _marginal(
    people: _People,
    centring: _Centring,
    measured: tuple[Measurements, ...],
    predict: Predict,
) -> None:
    """Likelihood of each patient summed over the classes, and the probability of each class given the data.

    A variable that is centred is about another middle in each class, so that its density is in the sum.
    """
    mixture, data = people.population.mixtures[0], people.data
    assert data is not None  # a fit to data alone has a likelihood
    shares = pt.stack(_shares(mixture, people.values))
    dependent = about_classes(people.population) & set(centring.weights)
    made: dict[str, Any] = {}
    joint, z = [], []
    for code in range(len(mixture.levels)):
        given = {**people.covariates, mixture.name: np.full(people.count, code)}
        variables = Variables(made, [f"phi_{name}" for name in dependent])
        deviations = people.deviations(centring, given, variables)
        predicted = predict(people.individuals(deviations, given))
        likely = _by_person(people.count, data, measured, predicted, people.values)
        joint.append(pt.log(shares[code]) + sum(variables.densities) + likely)
        z.append(deviations["z"])
    _named(z[0], set(centring.weights) - dependent)
    stacked = pt.stack(joint, axis=1)
    total = pm.math.logsumexp(stacked, axis=1, keepdims=False)
    pm.Potential("likelihood", total, dims="subject")
    classes = f"{mixture.name}_class"
    for name in sorted(dependent):
        pm.Deterministic(within(name, mixture), pt.stack([one[name] for one in z], axis=1), dims=("subject", classes))
    pm.Deterministic(f"p_{mixture.name}", pt.exp(stacked - total[:, None]), dims=("subject", classes))
    pm.Deterministic(f"shares_{mixture.name}", shares, dims=classes)


def _by_person(
    count: int, data: IndividualData, measured: tuple[Measurements, ...], predicted: Any, values: Mapping[str, Any]
) -> Any:
    total = pt.zeros(count)
    for one in measured:
        found = one.log_likelihood(predicted, values, pt)
        total = total[data.position[one.index]].inc(found)
    return total
