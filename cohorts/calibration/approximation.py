"""A first look at a posterior without Markov chains: Laplace's method twice, corrected by importance sampling.

Inside, what differs between people is integrated out by Laplace's method about each person's mode; outside, the shared
values follow a Student t about the mode of what remains (nested Laplace; Rue, Martino & Chopin 2009,
doi:10.1111/j.1467-9868.2008.00700.x, without their integration grid). Each draw of the shared values is then weighted
with an unbiased estimate of its likelihood, which makes the weights exact on average (Beaumont 2003,
doi:10.1093/genetics/164.3.1139), and the Pareto k of the weights says whether the approximation was near enough.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from scipy import optimize, special

from cohorts.calibration.data import IndividualData
from cohorts.calibration.joint import Joint, joint
from cohorts.calibration.modes import Modes, modes
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.twins.pareto import effective, smoothed

Predict = Callable[[Mapping[str, Any]], Any]

NU = 8.0
"""Degrees of freedom of the proposals."""
REACH = 4.0
"""How far from the middle of the prior the mode is looked for, on the scale without limits."""
INNER = 24
"""Samples of each person in the estimate of the likelihood of a draw."""
STEP = 1e-3
"""Step of the differences of the marginal density, on the scale without limits."""


def approximate(
    population: Population,
    data: Any,
    predict: Predict,
    *,
    seed: int,
    output: str = "",
    chains: int = 4,
    draws: int = 250,
    allow: Collection[str] = (),
) -> xr.DataTree:
    """Approximate posterior of a population given measurements of individual people, for a first look.

    Parameters
    ----------
    population, data, predict, output
        As `cohorts.calibrate` takes them.
    seed
        Non-negative whole number.
    chains, draws
        Shape of the result; as many draws are proposed. They are independent; the chains are for the tools that want
        some.
    allow
        ``pareto_k`` lets an approximation through that is not near enough; recorded.

    Returns
    -------
    xr.DataTree
        As `cohorts.calibrate` makes it with ``method="laplace"``, all groups included. Attributes: ``approximation``
        ("laplace"), ``pareto_k``, ``ess`` (effective number of the proposed draws).

    Raises
    ------
    PopulationError
        If data and population do not fit together.
    CalibrationError
        If the Pareto k of the weights is 0.7 or more: use `cohorts.calibrate`.
    """
    from cohorts.calibration.sampling import calibrate  # which has this module's `nested_laplace` among its methods

    if unknown := sorted(set(allow) - {"pareto_k"}):
        raise PopulationError(f"allow: got {unknown}, wanted some of ['pareto_k']")
    options: dict[str, Any] = {"chains": chains, "draws": draws, "allow": allow}
    return calibrate(population, data, predict, seed=seed, method="laplace", output=output, **options)


def nested_laplace(
    population: Population, people: IndividualData, predict: Predict, *, seed: int, output: str, chains: int, draws: int
) -> xr.DataTree:
    """Posterior and sample_stats as `approximate` has them, not judged; attributes how near they are."""
    plain = replace(
        population, parameters=tuple(replace(p, parameterisation="non-centred") for p in population.parameters)
    )
    model = plain.build(people, predict=predict, output=output)
    look = _Look(joint(model, people))
    theta, factor = look.outside(_flat_start(model, look.joint))
    found = look.weighted(theta, factor, seed, chains * draws)
    tree = _tree(model, look.joint, found, chains, draws)
    tree.attrs = {"approximation": "laplace", "pareto_k": found.k, "ess": found.ess}
    return tree


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Draws of the shared values (draw, shared) and of people's own (draw, person, dimension), equally likely."""

    shared: Array
    own: Array
    k: float
    ess: float


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    joint: Joint

    def inside(self, theta: Array, start: Array) -> Modes:
        """Modes of people given the shared values."""
        return modes(self.joint, theta, start, steps=30)

    def outside(self, start: Array) -> tuple[Array, Array]:
        """Mode of the marginal density of the shared values, and the Cholesky factor of the scale about it."""
        typical = np.zeros((self.joint.people, self.joint.size))

        def minus(theta: Array) -> float:
            with np.errstate(all="ignore"):
                found = self.inside(theta, typical)
                value = float(self.joint.prior(theta)) + float(np.sum(found.laplace))
            if not math.isfinite(value):
                return 1e10
            return -value

        box = [(v - REACH, v + REACH) for v in start]
        best = optimize.minimize(minus, start, method="L-BFGS-B", jac=lambda t: _slope(minus, t), bounds=box)
        curve = _curvature(minus, best.x)
        values, vectors = np.linalg.eigh(curve)
        covariance = (vectors / np.maximum(values, 1e-3)) @ vectors.T
        return np.asarray(best.x), np.linalg.cholesky(covariance)

    def weighted(self, theta: Array, factor: Array, seed: int, count: int) -> _Found:
        """Draws about the mode, weighted by their density, and as many taken of them by their weights."""
        size, start = len(theta), self.inside(theta, np.zeros((self.joint.people, self.joint.size))).x
        shared, own, log = np.empty((count, size)), np.empty((count, *start.shape)), np.empty(count)
        for i in range(count):
            rng = generator(seed, Stream.APPROXIMATION, i)
            normal = rng.standard_normal(size) / math.sqrt(rng.chisquare(NU) / NU)
            shared[i] = theta + factor @ normal
            with np.errstate(all="ignore"):
                estimate, own[i] = self._likelihood(shared[i], start, rng)
                value = (
                    float(self.joint.prior(shared[i])) + estimate + 0.5 * (NU + size) * math.log1p(normal @ normal / NU)
                )
            log[i] = value if math.isfinite(value) else -np.inf
        weight, k = smoothed(log[None])
        u = (generator(seed, Stream.APPROXIMATION, count).random() + np.arange(count)) / count
        chosen = np.minimum(np.searchsorted(np.cumsum(weight[0]), u), count - 1)
        chosen = generator(seed, Stream.APPROXIMATION, count + 1).permutation(chosen)
        return _Found(shared[chosen], own[chosen], float(k[0]), float(effective(weight)[0]))

    def _likelihood(self, theta: Array, start: Array, rng: np.random.Generator) -> tuple[float, Array]:
        """Unbiased estimate of the likelihood (its logarithm), and people's own values taken by their weights."""
        found = self.inside(theta, start)
        if not np.isfinite(found.value).all():
            return -math.inf, start
        size = self.joint.size
        factor = _scale(found.curvature)
        normal = rng.standard_normal((INNER, *start.shape))
        normal /= np.sqrt(rng.chisquare(NU, (INNER, len(start))) / NU)[:, :, None]
        x = found.x + np.einsum("pij,spj->spi", factor, normal)
        density = np.stack([self.joint.density(theta, one) for one in x])
        constant = special.gammaln(0.5 * (NU + size)) - special.gammaln(0.5 * NU) - 0.5 * size * math.log(NU * math.pi)
        logdet = np.sum(np.log(np.abs(np.diagonal(factor, axis1=1, axis2=2))), axis=1)
        proposal = constant - logdet - 0.5 * (NU + size) * np.log1p(np.sum(normal**2, axis=2) / NU)
        log = np.where(np.isfinite(density), density, -np.inf) - proposal
        total = special.logsumexp(log, axis=0)
        summed = np.cumsum(np.exp(log - total), axis=0)
        chosen = np.minimum(np.sum(summed < rng.random(len(start)), axis=0), INNER - 1)
        return float(np.sum(total) - len(start) * math.log(INNER)), x[chosen, np.arange(len(start))]


def _scale(curvature: Array) -> Array:
    """A root of the inverse of each matrix, (person, dimension, dimension), as a triangle."""
    values, vectors = np.linalg.eigh(curvature)
    root = vectors / np.sqrt(values)[:, None, :]
    _, upper = np.linalg.qr(root.transpose(0, 2, 1))
    return np.asarray(upper.transpose(0, 2, 1))


def _slope(function: Callable[[Array], float], at: Array) -> Array:
    steps = STEP * np.eye(len(at))
    return np.array([(function(at + h) - function(at - h)) / (2.0 * STEP) for h in steps])


def _curvature(function: Callable[[Array], float], at: Array) -> Array:
    """Second derivatives by central differences, with a step ten times that of the first."""
    h = 10.0 * STEP * np.eye(len(at))
    found = np.empty((len(at), len(at)))
    middle = function(at)
    for i in range(len(at)):
        found[i, i] = (function(at + h[i]) - 2.0 * middle + function(at - h[i])) / (10.0 * STEP) ** 2
        for j in range(i):
            corners = [function(at + a * h[i] + b * h[j]) * a * b for a in (1, -1) for b in (1, -1)]
            found[i, j] = found[j, i] = sum(corners) / (4.0 * (10.0 * STEP) ** 2)
    return found


def _flat_start(model: Any, made: Joint) -> Array:
    point = model.initial_point()
    return np.concatenate([np.ravel(point[one.name]) for one in made.shared]).astype(np.float64)


def _tree(model: Any, made: Joint, found: _Found, chains: int, draws: int) -> xr.DataTree:
    """Every variable of the model at each draw."""
    values = {w.name for w in model.value_vars} - {rv.name for rv in model.free_RVs}
    outputs = [v for v in model.unobserved_value_vars if v.name not in values]
    function = model.compile_fn(outputs, inputs=model.value_vars, on_unused_input="ignore", point_fn=True)
    rows = [function(_point(model, made, shared, own)) for shared, own in zip(found.shared, found.own, strict=True)]
    variables = {}
    for i, v in enumerate(outputs):
        drawn = np.stack([np.asarray(row[i]) for row in rows])
        dims = model.named_vars_to_dims.get(v.name) or tuple(f"{v.name}_dim_{j}" for j in range(drawn.ndim - 1))
        variables[v.name] = (("chain", "draw", *dims), drawn.reshape(chains, draws, *drawn.shape[1:]))
    coords = {d: list(model.coords[d]) for _, (dims, _) in variables.items() for d in dims if d in model.coords}
    nothing = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=np.bool_))})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords), "sample_stats": nothing})


def _point(model: Any, made: Joint, shared: Array, own: Array) -> dict[str, Array]:
    point: dict[str, Array] = {s.name: shared[s.start : s.stop].reshape(s.shape) for s in made.shared}
    for rv in model.free_RVs:
        value = model.rvs_to_values[rv].name
        places = [i for i, name in enumerate(made.own) if name == rv.name or name.startswith(f"{rv.name}[")]
        if value not in point:
            point[value] = own[:, places[0]] if made.own[places[0]] == rv.name else own[:, places]
    return point
