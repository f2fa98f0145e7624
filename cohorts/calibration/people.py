"""People of a fit: those of the data as a posterior sees them, and new ones with the same covariates and design."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData, covariate_values
from cohorts.calibration.rows import Measurements
from cohorts.drawing.cohort import deviations, draw_classes, place_deviations, population_values, possible
from cohorts.drawing.streams import Stream, derived, generator
from cohorts.specification.individuals import individual
from cohorts.specification.parameters import Mixture
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual

Predictor = Callable[[Mapping[str, Array]], Array]
"""Individual parameters, each (draw, subject[, occasion]), to the model's value at each row, (draw, row)."""

PLACES = {"site": "s", "study": "t"}
"""What patients may share, and how the names of its deviations in a fit begin."""


def told_apart(population: Population, data: IndividualData) -> int | None:
    """Number of occasions that a fit tells apart; None where data or population know of one only."""
    return data.occasions if changing(population) and data.occasions > 1 else None


def changing(population: Population) -> list[str]:
    """Names of the parameters that differ between occasions."""
    return [p.name for p in population.parameters if p.between_occasion]


def sharing(population: Population, kind: str) -> list[str]:
    """Names of the parameters that differ between sites or studies (`kind`)."""
    return [p.name for p in population.parameters if getattr(p, f"between_{kind}")]


def within(name: str, mixture: Mixture) -> str:
    """What a fit calls the deviations (subject, class) of a parameter that depend on the class."""
    return f"z_{name}|{mixture.name}"


def of_classes(
    population: Population, values: Mapping[str, Array], classes: Mapping[str, NDArray[Any]]
) -> dict[str, Array]:
    """Deviations ``z_<p>`` of people in their classes, of those that depend on it.

    Parameters
    ----------
    population
        What is fitted.
    values
        Variables of the model by name, (..., subject, class), or flat.
    classes
        Class of each person by mixture, (..., subject).
    """
    made: dict[str, Array] = {}
    for m in population.mixtures:
        place = classes[m.name][..., None]
        shape = (*place.shape[:-1], len(m.levels))
        for p in population.parameters:
            if (name := within(p.name, m)) in values:
                made[f"z_{p.name}"] = np.take_along_axis(values[name].reshape(shape), place, axis=-1)[..., 0]
    return made


def predictor(
    predict: Callable[[Mapping[str, Any]], Any],
    names: Sequence[str],
    n: int,
    *,
    occasions: int | None = None,
    changing: Sequence[str] = (),
) -> Predictor:
    """`predict` as a plain function of arrays; not compiled, so it is ready at once.

    Parameters
    ----------
    predict
        As `cohorts.calibrate` takes it.
    names
        Parameters in the order in which the function looks for them.
    n
        Number of people.
    occasions, changing
        Where occasions are told apart their number, and the parameters that differ between them.
    """
    import pymc as pm
    import pytensor.tensor as pt
    from pytensor.compile.mode import Mode

    wide = set(changing) if occasions is not None else set()
    inputs = {
        name: pt.matrix(name, shape=(n, occasions)) if name in wide else pt.vector(name, shape=(n,)) for name in names
    }
    mode = Mode(linker="py", optimizer="fast_compile")
    function = pm.compile(list(inputs.values()), predict(inputs), mode=mode, on_unused_input="ignore")

    def evaluate(parameters: Mapping[str, Array]) -> Array:
        count = len(parameters[names[0]])
        return np.stack([function(*(parameters[name][i] for name in names)) for i in range(count)])

    return evaluate


def same_people(
    population: Population, data: IndividualData, posterior: Mapping[str, Array], classes: Mapping[str, NDArray[Any]]
) -> dict[str, Array]:
    """Parameters of the people of the data in draws of a posterior, each (draw, subject[, occasion]).

    Parameters
    ----------
    population, data
        What was fitted to what.
    posterior
        Population-level values and standard normal deviations by name, each (draw, ...).
    classes
        Class of each person by mixture, (draw, subject).
    """
    count = len(next(iter(posterior.values())))
    values = {c.name: posterior[c.name] for c in population.coefficients if c.name in posterior}
    values |= {n: v for n, v in fixed_values(population, count).items() if n not in values}
    drawn: dict[str, Any] = {
        "z": {p.name: posterior[f"z_{p.name}"] for p in population.parameters if p.between_subject}
    }
    told = told_apart(population, data) is not None
    drawn["k"] = {name: posterior[f"k_{name}"] for name in changing(population)} if told else None
    for kind, letter in PLACES.items():
        drawn[kind] = {name: posterior[f"{letter}_{name}"] for name in sharing(population, kind)}
    return _parameters(population, data, values, drawn, classes)


def fixed_values(population: Population, count: int) -> dict[str, Array]:
    """Population-level values that are not uncertain, the same in each of `count` draws: (draw) or (draw, level)."""
    made: dict[str, Array] = {}
    for c in population.coefficients:
        if not c.free:
            whole = np.repeat([[q.values[0] for q in c.quantities]], count, axis=0)
            made[c.name] = whole if c.levels else whole[:, 0]
    return made


def _parameters(
    population: Population,
    data: IndividualData,
    values: Mapping[str, Array],
    drawn: Mapping[str, Any],
    classes: Mapping[str, NDArray[Any]],
) -> dict[str, Array]:
    """Parameters from deviations of the people, their occasions, and all sites and studies."""
    k = drawn["k"]
    told = k is not None
    shared = {}
    for kind in PLACES:
        where = data.places(kind)[1] if drawn[kind] else None
        shared[kind] = {n: _column(v[:, where], told) for n, v in drawn[kind].items()}
    covariates = {n: _column(v[None], told) for n, v in covariate_values(population, data).items()}
    found = individual(
        population,
        {n: _top(v, told) for n, v in values.items()},
        covariates | {n: _column(v, told) for n, v in classes.items()},
        {n: _column(v, told) for n, v in drawn["z"].items()},
        k,
        xp=np,
        sites=shared["site"],
        studies=shared["study"],
    )
    shape = (len(next(iter(values.values()))), len(data.subjects))
    if not told:
        return {n: np.broadcast_to(v, shape) for n, v in found.items()}
    whole = {n: np.broadcast_to(v, (*shape, v.shape[-1])) for n, v in found.items()}
    return {n: v if n in k else v[..., 0] for n, v in whole.items()}


def _column(values: NDArray[Any], told: bool) -> NDArray[Any]:
    return values[..., None] if told else values


def _top(values: Array, told: bool) -> Any:  # one array, or one a level
    if values.ndim == 1:
        return _column(values[:, None], told)
    return [_column(values[:, i, None], told) for i in range(values.shape[1])]


def new_people(
    population: Population,
    data: IndividualData,
    *,
    seed: int,
    replicates: int,
    posterior: xr.DataTree | None,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Parameters (replicate, subject[, occasion]) of new people with the covariates of the data; population values.

    Occasions are told apart as in the fit; sites and studies are new ones, with the people of each as in the data.
    Parameters that no patient can have are refused (PopulationError).
    """
    numbers, n = range(replicates), len(data.subjects)
    seed = derived(seed, Stream.PREDICTIVE, int(posterior is not None))
    values = population_values(population, seed, numbers, posterior)
    occasions = told_apart(population, data)
    z, k = deviations(population, n, seed, numbers, occasions or 1)
    drawn: dict[str, Any] = {"z": {name: v[..., 0] for name, v in z.items()}, "k": k if occasions else None}
    for kind in PLACES:
        count = len(data.places(kind)[0]) if sharing(population, kind) else 0
        drawn[kind] = place_deviations(population, kind, count, seed, numbers)
    classes = draw_classes(population, values, n, seed, numbers)
    made = _parameters(population, data, values, drawn, classes)
    possible(population, made, 0)
    return made, values


def measured(residual: Residual, predicted: Array, values: Mapping[str, Array], seed: int, *address: int) -> Array:
    """Measurements (draw, observation) from model values, with the residual error of each draw."""
    noise = generator(seed, Stream.PREDICTIVE, *address).standard_normal(predicted.shape)
    sigmas = {name: np.reshape(values[name], (-1, 1)) for name in residual.names.values()}
    with np.errstate(over="ignore", invalid="ignore"):  # a wide prior has no largest value, nor one without sign
        return np.asarray(residual.observe(predicted, sigmas, noise, np))


def simulated(
    rows: Sequence[Measurements], predicted: Array, values: Mapping[str, Array], seed: int, number: int
) -> dict[str, Array]:
    """What would be observed anew, by output, each (draw, own observation); events are left to `event_check`.

    Parameters
    ----------
    rows
        Observations by endpoint.
    predicted
        The model's values at all rows of the request table, (draw, row).
    values
        Population-level values by name, (draw).
    seed, number
        Address of the random numbers.
    """
    made: dict[str, Array] = {}
    for i, one in enumerate(rows):
        parts, address = one.of(predicted), (number, i) if i else (number,)
        if isinstance(one.endpoint, Residual):
            made[one.output] = measured(one.endpoint, parts[0], values, seed, *address)
        elif one.endpoint.told:
            noise = generator(seed, Stream.PREDICTIVE, *address).standard_normal(parts[0].shape)
            own = {name: np.reshape(values[name], (-1, 1)) for name in one.endpoint.names.values()}
            made[one.output] = one.endpoint.simulate(parts, own, noise)
    return made
