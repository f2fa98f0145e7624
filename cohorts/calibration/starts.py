"""Where the chains of a fit begin: near the best description of the data by one typical person.

Priors say little where they are wide, and a proportional error far from the data has a density that is steep or flat
beyond what a sampler can follow. The population-level values are therefore first brought to a mode with all people
typical (naive pooled data; Sheiner & Beal 1980, doi:10.1007/BF01060053), which is well posed, as the mode of people's
own deviations together with the residual error is not. Each chain then begins at its own distance from there, as far
as the density stays plausible, so that chains that agree still say something; and with the most probable deviations
given the population-level values it begins with, which is well posed too: a sampler that begins far from what each
person's data say spends most of its tuning on the way there.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from cohorts.calibration.people import PLACES, of_classes
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError
from cohorts.specification.individuals import correlated
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

OWN = ("z", "phi", "k", *PLACES.values())
"""How the names of what differs between people, occasions, sites and studies begin."""
TRIES = 4
"""Searches for the mode: from the prior medians, and from places about them, as a density may have several modes."""
SPREAD = 1.0
"""Half width of the uniform jitter, on the scale without limits, as of Stan's and PyMC's."""
STEPS = 200
"""Most iterations of one search."""
RELAXED = 60
"""Most iterations of the search for deviations given the population-level values."""
BESIDE = 0.7
"""Half width of the jitter of deviations about these: at a mode the slope tells a sampler nothing of scales."""
FALL = 5.0
"""Loss of log density by jitter, per dimension, up to which a place is plausible: the typical loss is 0.5."""
HALVINGS = 12
"""How often the jitter is halved at most."""
FAR = 1e30
"""What stands for an infinite or undefined minus log density; the optimiser needs a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The compiled density of a model on the scale without limits, at the same data as the sampler sees.

    Attributes
    ----------
    compiled
        What nutpie compiled.
    """

    compiled: Any

    def slope(self, x: Array) -> tuple[float, Array]:
        """Log density at `x` (dimension) and its gradient; minus infinity where either is not finite."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        gradient, value = np.zeros_like(x), np.zeros(1)
        data = ctypes.c_void_p(self.compiled.user_data.ctypes.data)
        function = self.compiled.compiled_logp_func.ctypes
        code = function(x.size, _pointer(x), _pointer(gradient), _pointer(value), data)
        if code != 0 or not np.isfinite(value[0]):
            return -np.inf, np.zeros_like(x)
        return float(value[0]), gradient

    def expanded(self, x: Array) -> dict[str, Array]:
        """All variables of the model at `x`, flat."""
        x, size = np.ascontiguousarray(x, dtype=np.float64), self.compiled.n_expanded
        out = np.zeros(size)
        data = ctypes.c_void_p(self.compiled.user_data.ctypes.data)
        self.compiled.compiled_expand_func.ctypes(x.size, size, _pointer(x), _pointer(out), data)
        return {name: out[place] for name, place in zip(*self.compiled.shape_info[:2], strict=True)}

    @property
    def places(self) -> dict[str, slice]:
        """Where each unknown lies in the vector of them."""
        pairs = zip(*self.compiled.shape_info[:2], strict=True)
        return {name: place for name, place in pairs if place.stop <= self.compiled.n_dim}


def _pointer(values: Array) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Places where the chains of a fit begin.

    Attributes
    ----------
    compiled
        The model compiled by nutpie.
    middle
        Population-level values of the mode, deviations 0, on the scale without limits, non-centred, (dimension).
    shared
        Whether each of them is a population-level value.
    weights
        By parameter that may be centred whether it is, 1 or 0, at which `middle` holds: all 0.
    population
        What is fitted.
    seed
        Of the fit.
    """

    compiled: Any
    middle: Array
    shared: NDArray[np.bool_]
    weights: Mapping[str, float]
    population: Population
    seed: int

    def beginning(self, weights: Mapping[str, float], run: int) -> Any:
        """The compiled model with chains that begin about the mode, parameters centred by `weights`.

        Two runs of a fit, which differ in `run`, begin at different places.
        """
        plain, target = Surface(self.compiled), _with(self.compiled, weights)
        centred = [name for name, weight in weights.items() if weight]
        convert = _converter(self.population, plain, Surface(target), centred)

        def begin(number: int | None = None) -> Array:
            rng = generator(self.seed, Stream.STARTS, TRIES + run, int(number or 0))
            place = self.middle + self._plausible(plain, rng.uniform(-SPREAD, SPREAD, len(self.middle)))
            place = _climbed(plain, place, ~self.shared, RELAXED)[0]
            return convert(place + np.where(self.shared, 0.0, rng.uniform(-BESIDE, BESIDE, len(place))))

        return replace(target, initial_point_func=begin)

    def _plausible(self, plain: Surface, step: Array) -> Array:
        """A step of the population-level values, halved until the density falls by no more than it may."""
        step = np.where(self.shared, step, 0.0)
        least = plain.slope(self.middle)[0] - FALL * int(self.shared.sum())
        for _ in range(HALVINGS):
            if plain.slope(self.middle + step)[0] >= least:
                return step
            step = 0.5 * step
        return np.zeros_like(step)


def medians(population: Population, model: Any) -> dict[str, float]:
    """Prior medians by name of the population-level values that are random variables of their own."""
    plain = {v.name for v in model.free_RVs if v.ndim == 0}
    return {c.name: c.quantities[0].centre for c in population.coefficients if c.name in plain}


def starts(population: Population, compiled: Any, weights: Mapping[str, float], seed: int) -> Starts:
    """The mode of the population-level values with all people typical, from the prior medians and places about them.

    Parameters
    ----------
    population
        What is fitted.
    compiled
        Compiled by nutpie, with initial points without jitter.
    weights
        Parameters that may be centred.
    seed
        Of the fit.

    Raises
    ------
    CalibrationError
        If no place that was looked at has a finite density.
    """
    weights = dict.fromkeys(weights, 0.0)
    compiled = _with(compiled, weights)
    surface, shared = Surface(compiled), _shared(population, compiled)
    middle: Array = np.where(shared, compiled.initial_point_func(0), 0.0)
    found = []
    for i in range(TRIES):
        step: Array = generator(seed, Stream.STARTS, i).uniform(-SPREAD, SPREAD, len(middle))
        found.append(_climbed(surface, np.where(shared, middle + min(i, 1) * step, middle), shared, STEPS))
    best, value = max(found, key=lambda one: one[1])
    if not np.isfinite(value):
        raise CalibrationError(
            "the density of data and parameters is not finite at the prior medians, nor near them: the equations are "
            "undefined there or the data impossible; wanted priors whose medians describe the data roughly"
        )
    return Starts(compiled, best, shared, weights, population, seed)


def _with(compiled: Any, weights: Mapping[str, float]) -> Any:
    return compiled.with_data(**{f"centred_{n}": weight for n, weight in weights.items()}) if weights else compiled


def _shared(population: Population, compiled: Any) -> NDArray[np.bool_]:
    """Whether each unknown is a population-level value."""
    own = {f"{letter}_{p.name}" for p in population.parameters for letter in OWN}
    mask = np.ones(compiled.n_dim, dtype=np.bool_)
    for name, place in Surface(compiled).places.items():
        mask[place] = name not in own
    return mask


def _climbed(surface: Surface, begin: Array, free: NDArray[np.bool_], steps: int) -> tuple[Array, float]:
    """A mode over the free unknowns and the log density there."""
    x = begin.copy()

    def minus(part: Array) -> tuple[float, Array]:
        x[free] = part
        value, gradient = surface.slope(x)
        return (-value, -gradient[free]) if np.isfinite(value) else (FAR, np.zeros(len(part)))

    if np.isfinite(surface.slope(x)[0]) and free.any():
        x[free] = optimize.minimize(minus, begin[free], jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    return x, surface.slope(x)[0]


def _converter(population: Population, plain: Surface, target: Surface, centred: list[str]) -> Callable[[Array], Array]:
    """From a place non-centred to the same people in the other parameterisation.

    A deviation is linear in its variable, and those of a block depend on earlier ones of it only, so that as many
    corrections as there are parameters are exact. With a mixture people are those of their most probable classes.
    """
    places = target.places

    def classes(x: Array) -> dict[str, NDArray[np.intp]]:
        made = plain.expanded(x)
        return {m.name: made[f"p_{m.name}"].reshape(-1, len(m.levels)).argmax(axis=1) for m in population.mixtures}

    def deviations(surface: Surface, x: Array, classes: Mapping[str, NDArray[np.intp]]) -> dict[str, Array]:
        made = surface.expanded(x)
        made |= of_classes(population, made, classes)
        values = {c.name: made.get(c.name, c.quantities[0].values[0]) for c in population.coefficients}
        z = {p.name: made[f"z_{p.name}"] for p in population.parameters if p.between_subject}
        return correlated(population.correlations, values, z, np)

    def convert(x: Array) -> Array:
        if not centred:
            return x
        known = classes(x)
        wanted, x = deviations(plain, x, known), x.copy()
        slopes = {}
        for name in centred:
            up = x.copy()
            up[places[f"phi_{name}"]] += 1.0
            slopes[name] = deviations(target, up, known)[name] - deviations(target, x, known)[name]
        for _ in centred:
            reached = deviations(target, x, known)
            for name in centred:
                x[places[f"phi_{name}"]] += (wanted[name] - reached[name]) / slopes[name]
        return x

    return convert
