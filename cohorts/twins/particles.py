"""Weighted draws of patients' unknowns: importance sampling about each patient's mode, or from the prior.

With the Laplace proposal a particle comes from Student's t about the mode with Laplace's covariance (heavier tails than
the posterior), or, with a small probability, from the prior, so that no weight exceeds the likelihood by more than a
constant (Hesterberg 1995, doi:10.1080/00401706.1995.10484303). Where population-level values are uncertain each
particle has its own draw of them, and the proposal is made about where the mode moves under that draw: then the weights
give the patient's posterior with that uncertainty in it.

With a mixture the classes are strata: each class has a mode and a share of the particles, which leans towards the
classes that Laplace's approximation of the evidence finds likely, and the weights contain the class's share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array
from cohorts.twins.classes import Classes
from cohorts.twins.latent import log_prior
from cohorts.twins.mode import climb, covariance, modes
from cohorts.twins.pareto import LIMIT, effective, smoothed
from cohorts.twins.problem import Index, Problem

METHODS = ("laplace", "importance", "nuts")
PROPOSALS = ("laplace", "prior")
LEAST_SHARE = 0.1
"""Share of the particles that the classes of a mixture have evenly, however unlikely they are."""
STARTS, DRAWS, RESAMPLE, NOISE, OCCASION = range(5)
"""Last part of an address under `Stream.TWIN`, after the patient's number: what the random numbers are for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How posteriors are computed.

    Attributes
    ----------
    method
        ``laplace``: the normal distribution about the mode. ``importance``: weighted draws. ``nuts``: Hamiltonian
        Monte Carlo.
    particles
        Draws a patient.
    proposal
        What importance sampling draws from: ``laplace`` or ``prior``.
    degrees
        Degrees of freedom of the proposal's Student's t.
    defensive
        Share of particles proposed from the prior.
    starts
        Patients drawn beforehand among whom a second start of the search for the mode is chosen; 0 for the typical
        patient as the only start, which halves the work.
    rounds
        Times a proposal whose weights are poor is fitted again to the weighted draws.
    """

    method: str = "importance"
    particles: int = 4000
    proposal: str = "laplace"
    degrees: float = 5.0
    defensive: float = 0.1
    starts: int = 16
    rounds: int = 2

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name, known in (("method", METHODS), ("proposal", PROPOSALS)):
            if getattr(self, name) not in known:
                raise PopulationError(f"{name}: got {getattr(self, name)!r}, wanted one of {list(known)}")
        for name, least in (("particles", 100), ("starts", 0), ("rounds", 0)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise PopulationError(f"{name}: got {getattr(self, name)!r}, wanted a whole number >= {least}")
        if not self.degrees > 0.0 or not 0.0 <= self.defensive < 1.0:
            raise PopulationError(
                f"degrees, defensive: got {self.degrees!r}, {self.defensive!r}, wanted > 0, and 0 or more and below 1"
            )


class Particles(NamedTuple):
    """Weighted draws of several patients.

    ``x`` unknowns (patient, particle, d); ``draw`` of the population, a row of the problem's classes, (patient,
    particle); ``log_ratio`` of target over proposal; ``weight``, which sums to 1 over a patient's particles; ``k``,
    Pareto's, (patient); ``modes`` (patient, d), in the most probable class ``place`` (patient), a row too;
    ``covariance`` of Laplace (patient, d, d); ``sound`` (patient): a mode was found and is one.
    """

    x: Array
    draw: Index
    log_ratio: Array
    weight: Array
    k: Array
    modes: Array
    place: Index
    covariance: Array
    sound: NDArray[np.bool_]

    def of(self, patients: Index) -> "Particles":
        """The same for some of the patients."""
        draws = (self.x[patients], self.draw[patients], self.log_ratio[patients], self.weight[patients])
        about = (self.modes[patients], self.place[patients], self.covariance[patients], self.sound[patients])
        return Particles(*draws, self.k[patients], *about)


class Drawn(NamedTuple):
    """The first fields of `Particles`."""

    x: Array
    draw: Index
    log_ratio: Array
    weight: Array
    k: Array


class Proposal(NamedTuple):
    """Location (patient, particle or 1, d) and Cholesky factor of the scale, (patient, particle or 1, d, d)."""

    location: Array
    factor: Array


class Summits(NamedTuple):
    """Modes of each patient in each class, population-level values at their centre, and Laplace's approximation there.

    ``x`` (patient, class, d), ``spread`` (patient, class, d, d), ``evidence`` and ``sound`` (patient, class).
    """

    x: Array
    spread: Array
    evidence: Array
    sound: NDArray[np.bool_]


class Strata(NamedTuple):
    """Row of each particle, (patient, particle), and the logarithm of the share of particles in its class."""

    draw: Index
    log_share: Array


def sample(problem: Problem, settings: Settings, seed: int, numbers: Index) -> Particles:
    """Weighted draws of all patients of a problem; `numbers` (patient) are their addresses.

    Row 0 of the problem's population-level values is their centre, where modes are reported; particles take the other
    rows in turn, or row 0 where it is the only one.
    """
    patients, d = len(numbers), problem.latent.size
    noise = np.stack(
        [generator(seed, Stream.TWIN, int(n), STARTS).standard_normal((settings.starts, d)) for n in numbers]
    )
    tops = _summits(problem, noise)
    strata = _strata(problem.classes, tops, settings.particles)
    proposal = _about(problem, settings, tops, strata.draw)
    made = _draws(problem, settings, strata, proposal, _streams(seed, numbers, 0))
    for turn in range(1, settings.rounds + 1):
        poor = _poor(settings, made)
        if not poor.any() or settings.method == "laplace":
            break
        made = _again(problem, settings, seed, (numbers, strata, made), poor, turn)
    best, each = np.argmax(tops.evidence, axis=1), np.arange(patients)
    place = np.asarray(best * problem.classes.draws, dtype=np.intp)
    return Particles(*made, tops.x[each, best], place, tops.spread[each, best], tops.sound[each, best])


def _summits(problem: Problem, noise: Array) -> Summits:
    patients, _, d = noise.shape
    count = problem.classes.count
    which, row = np.repeat(np.arange(patients), count), np.tile(np.arange(count) * problem.classes.draws, patients)
    best = modes(problem, which, row, noise[which])
    spread, regular = covariance(problem, which, row, best)
    evidence = best.value + problem.classes.log_share[row] + 0.5 * np.linalg.slogdet(spread)[1]
    shape = (patients, count)
    return Summits(
        best.x.reshape(*shape, d),
        spread.reshape(*shape, d, d),
        evidence.reshape(shape),
        (regular & best.found).reshape(shape),
    )


def _strata(classes: Classes, tops: Summits, particles: int) -> Strata:
    """Draws of the population in turn; classes by Laplace's evidence of each, none left out that is possible."""
    draws = np.zeros(particles, np.intp) if classes.draws == 1 else 1 + np.arange(particles) % (classes.draws - 1)
    patients, count = tops.evidence.shape
    if count == 1:
        draw = np.broadcast_to(draws, (patients, particles))
        return Strata(draw, np.zeros((patients, particles)))
    likely = np.where(np.isfinite(tops.evidence), tops.evidence, -np.inf)
    share = np.exp(likely - likely.max(axis=1, keepdims=True))
    share = (1.0 - LEAST_SHARE) * share / share.sum(axis=1, keepdims=True) + LEAST_SHARE / count
    edges = np.cumsum(share, axis=1)[:, None, :-1]
    own = np.sum((np.arange(particles) + 0.5)[None, :, None] / particles > edges, axis=-1)
    number = np.stack([np.bincount(row, minlength=count) for row in own])
    return Strata(own * classes.draws + draws, np.log(np.take_along_axis(number, own, axis=1) / particles))


def _of_class(problem: Problem, draw: Index, values: Array) -> Array:
    """What each particle's class has, (patient, particle, ...), of values (patient, class, ...)."""
    own = problem.classes.of(draw)
    return np.asarray(values[np.arange(len(draw))[:, None], own])


def _about(problem: Problem, settings: Settings, tops: Summits, draw: Index) -> Proposal:
    """Proposal of every particle: about the mode, and where that moves under the particle's population draw."""
    several = problem.classes.count > 1
    if problem.classes.draws == 1:
        factor = np.linalg.cholesky(tops.spread)
        return Proposal(
            _of_class(problem, draw, tops.x) if several else tops.x,
            _of_class(problem, draw, factor) if several else factor,
        )
    if settings.method == "laplace":
        return _climbed(problem, _of_class(problem, draw, tops.x), draw)
    return _followed(problem, tops.x, draw)


def _climbed(problem: Problem, start: Array, draw: Index) -> Proposal:
    """The mode under each particle's population draw, searched for from `start`, (patient, particle, d)."""
    patients, particles, d = start.shape
    which = np.repeat(np.arange(patients), particles)
    near = climb(problem, which, draw.ravel(), start.reshape(-1, d), steps=6)
    factor = np.linalg.cholesky(np.linalg.inv(near.curvature))
    return Proposal(near.x.reshape(start.shape), factor.reshape(patients, particles, d, d))


def _followed(problem: Problem, starts: Array, draw: Index) -> Proposal:
    """The mode under each particle's population draw, from a regression on a few draws where it is searched for.

    What the regression leaves over widens the proposal. Each class has its own, from its start, (patient, class, d).
    """
    features = _features(problem.values)
    x, own = features[problem.classes.draw(draw)], problem.classes.of(draw)
    moved = [_regressed(problem, features, starts[:, c], c) for c in range(problem.classes.count)]
    location = np.einsum("npf,nfd->npd", x, moved[0][0])
    for c, (coefficient, _) in enumerate(moved[1:], start=1):
        location = np.where((own == c)[..., None], np.einsum("npf,nfd->npd", x, coefficient), location)
    factor = np.linalg.cholesky(np.stack([wide for _, wide in moved], axis=1))
    return Proposal(location, factor if len(moved) == 1 else _of_class(problem, draw, factor))


def _regressed(problem: Problem, features: Array, start: Array, number: int) -> tuple[Array, Array]:
    """Coefficients (patient, feature, d) of the mode in one class, and the covariance about it, (patient, d, d)."""
    patients, d = start.shape
    anchors = 1 + np.arange(min(20 + 4 * features.shape[1], problem.classes.draws - 1))
    rows = number * problem.classes.draws + anchors
    which, mine = np.repeat(np.arange(patients), len(anchors)), np.tile(rows, patients)
    near = climb(problem, which, mine, start[which], steps=8)
    found = near.x.reshape(patients, len(anchors), d)
    x = features[anchors]
    ridge = x.T @ x + 1e-3 * len(anchors) * np.eye(x.shape[1])
    coefficient = np.einsum("fk,nkd->nfd", np.linalg.solve(ridge, x.T), found)
    left = found - np.einsum("kf,nfd->nkd", x, coefficient)
    wide = np.linalg.inv(near.curvature).reshape(patients, len(anchors), d, d).mean(axis=1)
    return coefficient, wide + np.einsum("nkd,nke->nde", left, left) / len(anchors)


def _features(values: Mapping[str, Array]) -> Array:
    """Population-level values that differ between draws, standardised, beside a constant, (draw, feature)."""
    flat = np.concatenate([v.reshape(len(v), -1) for v in values.values()], axis=1)
    flat = np.where((flat > 0.0).all(axis=0), np.log(np.where(flat > 0.0, flat, 1.0)), flat)
    spread = flat[1:].std(axis=0)
    moving = spread > 1e-12
    standard = (flat[:, moving] - flat[1:, moving].mean(axis=0)) / spread[moving]
    return np.concatenate([np.ones((len(flat), 1)), standard], axis=1)


def _streams(seed: int, numbers: Index, turn: int) -> list[np.random.Generator]:
    return [generator(seed, Stream.TWIN, int(n), DRAWS, turn) for n in numbers]


def _draws(
    problem: Problem, settings: Settings, strata: Strata, proposal: Proposal, rngs: list[np.random.Generator]
) -> Drawn:
    patients, d, draw = len(rngs), problem.latent.size, strata.draw
    normal = np.stack([r.standard_normal((settings.particles, d)) for r in rngs])
    chi = np.stack([r.chisquare(settings.degrees, settings.particles) for r in rngs])
    pick = np.stack([r.random(settings.particles) for r in rngs])
    approximate = settings.method == "laplace"
    stretch = 1.0 if approximate else np.sqrt(settings.degrees / chi)[..., None]
    x = proposal.location + np.einsum(
        "npde,npe->npd", np.broadcast_to(proposal.factor, (*normal.shape, d)), normal * stretch
    )
    prior = np.zeros_like(pick, dtype=bool) if approximate else pick < settings.defensive
    known = settings.proposal == "prior" or not problem.seen  # without data the prior is the posterior
    prior |= known and not approximate
    x = np.where(prior[..., None], normal, x)
    flat = x.reshape(-1, d)
    which = np.repeat(np.arange(patients), settings.particles)
    likely = problem.log_likelihood(which, draw.ravel(), flat).reshape(draw.shape) - strata.log_share
    target = likely + log_prior(x)
    if approximate:
        return _laplace(problem, settings, proposal, strata, x, target)
    ratio = likely if known else target - _density(settings, proposal, x)
    return Drawn(x, draw, *_weighed(ratio))


def _weighed(ratio: Array) -> tuple[Array, Array, Array]:
    lost = ~np.isfinite(ratio).any(axis=1)
    ratio = np.where(lost[:, None], 0.0, np.where(np.isnan(ratio), -np.inf, ratio))
    weight, k = smoothed(ratio)
    return ratio, weight, np.where(lost, np.inf, k)


def _laplace(
    problem: Problem, settings: Settings, proposal: Proposal, strata: Strata, x: Array, target: Array
) -> Drawn:
    """Draws of the normal approximation; population draws, classes weighed by its evidence; k says how good it is."""
    draw = strata.draw
    _, _, k = _weighed(target - _normal(proposal, x))
    if not draw.any():
        return Drawn(x, draw, np.zeros(draw.shape), np.full(draw.shape, 1.0 / settings.particles), k)
    patients, particles, d = x.shape
    which = np.repeat(np.arange(patients), particles)
    where = np.broadcast_to(proposal.location, x.shape)
    at = problem.log_likelihood(which, draw.ravel(), where.reshape(-1, d)).reshape(draw.shape) - strata.log_share
    evidence = at + log_prior(proposal.location) + np.sum(np.log(np.einsum("npdd->npd", proposal.factor)), axis=-1)
    ratio, weight, _ = _weighed(evidence)
    return Drawn(x, draw, ratio, weight, k)


def _whitened(proposal: Proposal, x: Array) -> tuple[Array, Array]:
    """Squared distance from the location in its own scale, and the logarithm of the scale's determinant."""
    inverse = np.broadcast_to(np.linalg.inv(proposal.factor), (*x.shape, x.shape[-1]))
    apart = np.einsum("npde,npe->npd", inverse, x - proposal.location)
    return np.sum(apart**2, axis=-1), np.sum(np.log(np.einsum("npdd->npd", proposal.factor)), axis=-1)


def _normal(proposal: Proposal, x: Array) -> Array:
    distance, size = _whitened(proposal, x)
    return np.asarray(-0.5 * distance - size - 0.5 * x.shape[-1] * np.log(2.0 * np.pi))


def _density(settings: Settings, proposal: Proposal, x: Array) -> Array:
    """Log density of the mixture that particles are proposed from."""
    d, nu = x.shape[-1], settings.degrees
    distance, size = _whitened(proposal, x)
    constant = special.gammaln(0.5 * (nu + d)) - special.gammaln(0.5 * nu) - 0.5 * d * np.log(nu * np.pi)
    student = constant - size - 0.5 * (nu + d) * np.log1p(distance / nu)
    if not settings.defensive:
        return np.asarray(student)
    a = settings.defensive
    return np.asarray(np.logaddexp(np.log1p(-a) + student, np.log(a) + log_prior(x)))


def _poor(settings: Settings, made: Drawn) -> NDArray[np.bool_]:
    weight, k = made.weight, made.k
    worth_it = settings.proposal == "laplace"
    return worth_it & ((effective(weight) < 0.1 * settings.particles) | ~(k < LIMIT))


def _again(
    problem: Problem, settings: Settings, seed: int, so_far: tuple[Index, Strata, Drawn],
    poor: NDArray[np.bool_], turn: int,
) -> Drawn:  # fmt: skip
    """Sample anew, about the moments of the weighted draws, for those whose weights are poor; kept where better.

    Where each population draw has a proposal of its own, the modes are searched for under every one of them.
    """
    numbers, strata, made = so_far
    x, weight = made.x[poor], made.weight[poor]
    part, middle = problem.of(np.flatnonzero(poor)), np.sum(weight[..., None] * x, axis=1)
    own = Strata(strata.draw[poor], strata.log_share[poor])
    if own.draw.any():
        moved = _climbed(part, np.repeat(middle[:, None], x.shape[1], axis=1), own.draw)
        moved = Proposal(moved.location, moved.factor * 1.5 ** (turn - 1))
    else:
        apart = x - middle[:, None]
        spread = np.einsum("np,npd,npe->nde", weight, apart, apart) + 1e-6 * np.eye(x.shape[-1])
        moved = Proposal(middle[:, None], np.linalg.cholesky(spread)[:, None])
    new = _draws(part, settings, own, moved, _streams(seed, numbers[poor], turn))
    better = effective(new.weight) > effective(weight)
    where, result = np.flatnonzero(poor)[better], Drawn._make(np.array(a) for a in made)
    for old, fresh in zip(result, new, strict=True):
        old[where] = fresh[better]
    return result
