"""Log-likelihood of population values: what each person's unknowns could have been is integrated out.

Importance sampling person by person, as Monolix and NONMEM (IMP) do it. The proposal begins as Student t distributions
about modes found by Newton's method, a mixture that then adapts to its own weights (M-PMC; Cappé, Douc, Guillin, Marin
& Robert 2008, doi:10.1007/s11222-008-9059-x): a person's density may have several peaks and edges, as with a lag. The
distribution of people beforehand is mixed in, which bounds the weights (Hesterberg 1995,
doi:10.1080/00401706.1995.10484303).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from cohorts.calibration.data import IndividualData, individual_data
from cohorts.calibration.fixing import Values, at_values
from cohorts.calibration.joint import Joint, joint
from cohorts.calibration.modes import modes
from cohorts.calibration.people import PLACES, sharing
from cohorts.calibration.rows import measurements
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual

Predict = Callable[[Mapping[str, Any]], Any]

NU = 5.0
"""Degrees of freedom of the proposals: heavier tails than a density with normal ones."""
ROUNDS = (1000, 700, 700, 700, 700)
"""Samples of people drawn beforehand, and of the rounds that adapt the proposal; later ones alone make the estimate."""
COMPONENTS = 4
"""Student t distributions that the proposal of a person is made of in the end."""
TEMPERED = 0.2
"""Power of the density by which places are chosen where modes are looked for."""
SPARSE = 0.02
"""Share of the weight below which a component says too little of its own mean and covariance."""
BEFOREHAND = 0.15
"""Share of the samples from the distribution of people beforehand."""


def marginal_likelihood(
    population: Population,
    data: Any,
    predict: Predict,
    values: Values,
    *,
    seed: int,
    output: str = "",
    samples: int = 5000,
) -> xr.Dataset:
    """Log-likelihood of a population's values, integrated over what differs between people.

    It is what Monolix calls the log-likelihood by importance sampling and, but for the constant ``n log(2 pi)`` that
    NONMEM leaves out, NONMEM's objective function after IMP.

    Parameters
    ----------
    population, data, predict, output
        As `cohorts.calibrate` takes them; the priors are not looked at.
    values
        By name of a coefficient its value; by level where it has levels (``{"beta_v_sex": {"male": 1.1}}``).
    seed
        Non-negative whole number; the samples of a person are addressed by it and the person's place.
    samples
        Samples a person that the estimate is made of.

    Returns
    -------
    xr.Dataset
        Dim subject: ``log_likelihood``, its Monte Carlo standard error ``se``, effective sample size ``ess``; dim
        (subject, unknown): ``mode``, in standard deviations between people. Attributes ``minus2ll`` and its ``se``;
        ``observations``, those measured on a scale and not censored; ``nonmem_ofv``, without the constant of these, and
        comparable where their errors are not lognormal; ``samples``, ``seed``, ``data_digest``.

    Raises
    ------
    PopulationError
        If values, data and population do not fit together, or people of one site or study share a deviation, so that
        the likelihood is no product over people; found before any work.
    """
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 100:
        raise PopulationError(f"samples: got {samples!r}, wanted a whole number >= 100")
    for kind in PLACES:
        if shared := sharing(population, kind):
            raise PopulationError(
                f"parameters.{shared[0]}.between_{kind}: people of one {kind} share a deviation, so that the "
                f"likelihood is no product over people; wanted a population without it"
            )
    people = individual_data(data)
    normal = [m for m in measurements(population, people, output) if isinstance(m.endpoint, Residual)]
    made = _split(population, people, predict, values, output)
    found = _integrate(made, seed, samples)
    count = sum(int(np.sum(~m.below)) for m in normal)
    return _dataset(found, made, people, count, {"samples": samples, "seed": seed})


def _split(population: Population, data: IndividualData, predict: Predict, values: Values, output: str) -> Joint:
    fixed = at_values(population, values)
    plain = tuple(replace(p, parameterisation="non-centred") for p in fixed.parameters)
    return joint(replace(fixed, parameters=plain).build(data, predict=predict, output=output), data)


class _Found(NamedTuple):
    """Log-likelihood, standard error and effective sample size of each person, and the mode."""

    log: Array
    se: Array
    ess: Array
    mode: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Proposal:
    """Student t distributions of each person, mixed with the distribution of people beforehand.

    Attributes
    ----------
    shares
        Of the t distributions, (component, person); what they leave comes from the distribution beforehand.
    centres
        (component, person, dimension).
    factors
        Cholesky factors of their scales, (component, person, dimension, dimension).
    """

    shares: Array
    centres: Array
    factors: Array

    def draw(self, seed: int, count: int, turn: int) -> Array:
        """Samples, (sample, person, dimension)."""
        _, people, size = self.centres.shape
        made = np.empty((count, people, size))
        for i in range(people):
            rng = generator(seed, Stream.INTEGRATION, turn, i)
            which = np.searchsorted(np.cumsum(self.shares[:, i]), rng.random(count), side="right")
            normal = rng.standard_normal((count, size))
            wide = np.sqrt(NU / rng.chisquare(NU, count))[:, None] * normal
            made[:, i] = normal
            for c in range(len(self.shares)):
                own = which == c
                made[own, i] = self.centres[c, i] + wide[own] @ self.factors[c, i].T
        return made

    def log_parts(self, x: Array) -> Array:
        """Log density of samples (sample, person, dimension), (part, sample, person); the last part is beforehand."""
        size = x.shape[2]
        before = -0.5 * np.sum(x**2, axis=2) - 0.5 * size * math.log(2.0 * math.pi)
        with np.errstate(divide="ignore"):
            log = np.log(self.shares)
        parts = [log[c] + _student(x, self.centres[c], self.factors[c]) for c in range(len(log))]
        return np.stack([*parts, np.log1p(-np.sum(self.shares, axis=0)) + before])

    def adapted(self, x: Array, log: Array) -> "_Proposal":
        """The mixture nearer to the density, by one step of M-PMC; `log` are logarithms of weights (sample, person)."""
        weight = np.exp(log - np.max(log, axis=0))
        weight /= np.sum(weight, axis=0)
        parts = self.log_parts(x)
        of = weight * np.exp(parts[:-1] - special.logsumexp(parts, axis=0))
        total = np.sum(of, axis=1)
        centres, factors = self.centres.copy(), self.factors.copy()
        for c in range(len(total)):
            near = total[c] > SPARSE
            centre, factor = _moments(x[:, near], of[c][:, near] / total[c, near])
            centres[c, near], factors[c, near] = centre, factor
        shares = np.maximum(total, 1e-3)
        return _Proposal((1.0 - BEFOREHAND) * shares / np.sum(shares, axis=0), centres, factors)


def _student(x: Array, centre: Array, factor: Array) -> Array:
    """Log density of a multivariate t, (sample, person)."""
    size = x.shape[2]
    scaled = np.linalg.solve(factor, (x - centre).transpose(1, 2, 0))
    distance = np.sum(scaled**2, axis=1).T
    logdet = np.sum(np.log(np.diagonal(factor, axis1=1, axis2=2)), axis=1)
    constant = special.gammaln(0.5 * (NU + size)) - special.gammaln(0.5 * NU) - 0.5 * size * math.log(NU * math.pi)
    return np.asarray(constant - logdet - 0.5 * (NU + size) * np.log1p(distance / NU))


def _moments(x: Array, weight: Array) -> tuple[Array, Array]:
    """Weighted mean (person, dimension) and Cholesky factor of the covariance, widened a little."""
    centre = np.einsum("sp,spi->pi", weight, x)
    apart = x - centre
    covariance = np.einsum("sp,spi,spj->pij", weight, apart, apart)
    scale = np.trace(covariance, axis1=1, axis2=2) / x.shape[2]
    kept = covariance + (0.02 * scale + 1e-10)[:, None, None] * np.eye(x.shape[2])
    return centre, np.linalg.cholesky(kept)


def _integrate(made: Joint, seed: int, samples: int) -> _Found:
    shared = np.empty(0)
    start = np.zeros((made.people, made.size))
    if not made.size:
        nothing = np.zeros(made.people)
        return _Found(made.density(shared, start), nothing, np.full(made.people, np.inf), start)
    found, proposal = _begun(made, shared, seed)
    for turn, count in enumerate(ROUNDS[1:], start=1):
        x, log = _weighted(made, shared, proposal, seed, count, turn)
        proposal = proposal.adapted(x, log)
    _, log = _weighted(made, shared, proposal, seed, samples, len(ROUNDS))
    peak = np.max(log, axis=0)
    weight = np.exp(log - peak)
    mean, square = np.mean(weight, axis=0), np.mean(weight**2, axis=0)
    se = np.std(weight, axis=0, ddof=1) / math.sqrt(samples) / mean
    return _Found(peak + np.log(mean), se, samples * mean**2 / square, found)


def _begun(made: Joint, shared: Array, seed: int) -> tuple[Array, _Proposal]:
    """Highest mode of each person, and components about modes found from several places.

    The places are the typical person and people drawn beforehand, by the density of their data to the power of
    `TEMPERED`, so that lower peaks are looked for too.
    """
    proposal = _Proposal(np.zeros((0, made.people)), *_empty(made))
    x = proposal.draw(seed, ROUNDS[0], 0)
    density = np.stack([made.density(shared, one) for one in x])
    log = np.where(np.isfinite(density), density, -np.inf) - proposal.log_parts(x)[0]
    _possible(log)
    weight = np.exp(TEMPERED * (log - np.max(log, axis=0)))
    summed = np.cumsum(weight / np.sum(weight, axis=0), axis=0)
    u = generator(seed, Stream.INTEGRATION, len(ROUNDS) + 1).random((COMPONENTS - 2, made.people))
    chosen = np.minimum(np.sum(summed[None] < u[:, None], axis=1), len(x) - 1)
    chosen = np.concatenate([np.argmax(log, axis=0)[None], chosen])
    starts = np.take_along_axis(x, chosen[:, :, None], axis=0)
    found = [modes(made, shared, one) for one in [np.zeros_like(x[0]), *starts]]
    values = np.stack([one.value for one in found])
    centres = np.stack([one.x for one in found])
    factors = np.stack([np.linalg.cholesky(np.linalg.inv(one.curvature)) for one in found])
    best = np.take_along_axis(centres, np.argmax(values, axis=0)[None, :, None], axis=0)[0]
    shares = np.full((COMPONENTS, made.people), (1.0 - BEFOREHAND) / COMPONENTS)
    return best, _Proposal(shares, centres, factors)


def _empty(made: Joint) -> tuple[Array, Array]:
    return np.zeros((0, made.people, made.size)), np.zeros((0, made.people, made.size, made.size))


def _possible(log: Array) -> None:
    if not np.isfinite(log).any(axis=0).all():
        place = int(np.flatnonzero(~np.isfinite(log).any(axis=0))[0])
        raise PopulationError(f"values: the data of person {place} (by place) are impossible under them")


def _weighted(made: Joint, shared: Array, proposal: _Proposal, seed: int, count: int, turn: int) -> tuple[Array, Array]:
    """Samples of a proposal and the logarithms of their weights, (sample, person)."""
    x = proposal.draw(seed, count, turn)
    density = np.stack([made.density(shared, one) for one in x])
    log = np.where(np.isfinite(density), density, -np.inf) - special.logsumexp(proposal.log_parts(x), axis=0)
    _possible(log)
    return x, log


def _dataset(found: _Found, made: Joint, data: IndividualData, count: int, about: Mapping[str, Any]) -> xr.Dataset:
    minus2 = -2.0 * float(np.sum(found.log))
    attributes = {
        "minus2ll": minus2,
        "se": 2.0 * float(np.sqrt(np.sum(found.se**2))),
        "nonmem_ofv": minus2 - count * math.log(2.0 * math.pi),
        "observations": count,
        "data_digest": data.digest,
        **about,
    }
    columns = {"log_likelihood": found.log, "se": found.se, "ess": found.ess}
    made_of = {name: ("subject", values) for name, values in columns.items()}
    coords = {"subject": data.subjects, "unknown": list(made.own)}
    return xr.Dataset({**made_of, "mode": (("subject", "unknown"), found.mode)}, coords, attributes)
