"""Normal approximations along the path of a quasi-Newton search, and the best of them: Pathfinder.

Zhang, Carpenter, Gelman & Vehtari 2022, Pathfinder: parallel quasi-Newton variational inference, J Mach Learn Res
23(306), arXiv:2108.03782: at every point of the search the gradients seen so far give a normal distribution; the one
with the largest lower bound of the evidence is kept. Its covariance is the compact form of the inverse Hessian of Byrd,
Nocedal & Schnabel 1994, doi:10.1007/BF01582063.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

from cohorts.specification.quantities import Array

Slope = Callable[[Array], tuple[float, Array]]
"""Place (dimension) to the log density there and its gradient; minus infinity where there is none."""

HISTORY = 60
"""Steps of the search that a covariance remembers; the paper's 6 leave more of people's own unknowns out."""
ITERATIONS = 400
"""Most steps of a search."""
JUDGED = 40
"""Draws by which the lower bound of the evidence is estimated at each step."""
CURVED = 1e-12
"""Least slope gained along a step, relative to the gradient's change, for the step to count: else curvature is < 0."""
FAR = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """A normal distribution with covariance root (I + q (m - I) q') root, root a diagonal.

    Attributes
    ----------
    mean, root
        (dimension).
    q
        Orthonormal columns, (dimension, rank).
    lower
        Cholesky factor of m, (rank, rank).
    """

    mean: Array
    root: Array
    q: Array
    lower: Array

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Random draws, (draw, dimension)."""
        u = rng.standard_normal((count, len(self.mean)))
        inside = u @ self.q
        return np.asarray(self.mean + self.root * (u + (inside @ self.lower.T - inside) @ self.q.T))

    def log_density(self, x: Array) -> Array:
        """Log density at places (draw, dimension), (draw)."""
        return -0.5 * self._square(x) - self._logdet - 0.5 * len(self.mean) * math.log(2.0 * math.pi)

    def draw_wide(self, rng: np.random.Generator, count: int, nu: float) -> Array:
        """Random draws of Student's t about the same mean with the same scale, (draw, dimension)."""
        stretch = np.sqrt(nu / rng.chisquare(nu, (count, 1)))
        return np.asarray(self.mean + stretch * (self.draw(rng, count) - self.mean))

    def log_density_wide(self, x: Array, nu: float) -> Array:
        """Log density of that t at places (draw, dimension), (draw)."""
        size = len(self.mean)
        constant = special.gammaln(0.5 * (nu + size)) - special.gammaln(0.5 * nu) - 0.5 * size * math.log(nu * math.pi)
        return np.asarray(constant - self._logdet - 0.5 * (nu + size) * np.log1p(self._square(x) / nu))

    def _square(self, x: Array) -> Array:
        """Squared distance from the mean in units of the covariance, (draw)."""
        u = (x - self.mean) / self.root
        inside = u @ self.q
        white = linalg.solve_triangular(self.lower, inside.T, lower=True).T
        return np.asarray(np.sum(u**2, axis=1) - np.sum(inside**2, axis=1) + np.sum(white**2, axis=1))

    @property
    def _logdet(self) -> float:
        return float(np.sum(np.log(self.root)) + np.sum(np.log(np.diagonal(self.lower))))


def search(slope: Slope, start: Array) -> tuple[list[Array], list[Array]]:
    """Places of a quasi-Newton search that climbs the density from `start`, and the gradients there."""
    seen: dict[bytes, Array] = {}

    def minus(x: Array) -> tuple[float, Array]:
        value, gradient = slope(x)
        if not np.isfinite(value):
            return FAR, np.zeros_like(x)
        seen[x.tobytes()] = gradient
        return -value, -gradient

    places = [np.array(start)]
    options = {"maxcor": HISTORY, "maxiter": ITERATIONS, "ftol": 1e-11, "gtol": 1e-7}
    optimize.minimize(
        minus, start, jac=True, method="L-BFGS-B", options=options, callback=lambda x: places.append(np.array(x))
    )
    places = [x for x in places if x.tobytes() in seen]
    return places, [seen[x.tobytes()] for x in places]


def normals(places: Sequence[Array], gradients: Sequence[Array]) -> list[Normal]:
    """The approximation at each place of a search but the first, where it is one."""
    alpha = np.ones_like(places[0])
    steps: list[Array] = []
    changes: list[Array] = []
    found = []
    for i in range(1, len(places)):
        s, z = places[i] - places[i - 1], gradients[i - 1] - gradients[i]
        if s @ z > CURVED * (z @ z):
            alpha = _diagonal(alpha, s, z)
            steps, changes = [*steps[1 - HISTORY :], s], [*changes[1 - HISTORY :], z]
        if steps and (one := _normal(places[i], gradients[i], alpha, np.stack(steps, 1), np.stack(changes, 1))):
            found.append(one)
    return found


def _diagonal(alpha: Array, s: Array, z: Array) -> Array:
    """Diagonal that starts the inverse Hessian, renewed by a step (algorithm 3 of the paper)."""
    a, b, c = z @ (alpha * z), z @ s, s @ (s / alpha)
    return np.asarray(1.0 / (a / (b * alpha) + z**2 / b - a * s**2 / (b * c * alpha**2)))


def _normal(place: Array, gradient: Array, alpha: Array, s: Array, z: Array) -> Normal | None:
    if not (np.isfinite(alpha).all() and (alpha > 0.0).all()):
        return None
    size = s.shape[1]
    product = s.T @ z
    upper = np.triu(product)
    try:
        back = linalg.solve_triangular(upper, np.eye(size))
    except linalg.LinAlgError:
        return None
    middle = np.zeros((2 * size, 2 * size))
    middle[:size, size:], middle[size:, :size] = -back, -back.T
    middle[size:, size:] = back.T @ (np.diag(np.diagonal(product)) + z.T @ (alpha[:, None] * z)) @ back
    wide, root = np.concatenate([alpha[:, None] * z, s], axis=1), np.sqrt(alpha)
    q, r = np.linalg.qr(wide / root[:, None])
    inner = np.eye(r.shape[0]) + r @ middle @ r.T
    try:
        lower = np.linalg.cholesky(0.5 * (inner + inner.T))
    except np.linalg.LinAlgError:
        return None
    mean = place + alpha * gradient + wide @ (middle @ (wide.T @ gradient))
    return Normal(mean, root, q, lower) if np.isfinite(mean).all() else None


def best(slope: Slope, start: Array, rng: np.random.Generator) -> Normal | None:
    """The approximation of largest evidence along the search from `start`; None where there is none."""
    chosen: tuple[float, Normal | None] = (-math.inf, None)
    for one in normals(*search(slope, start)):
        x = one.draw(rng, JUDGED)
        value = float(np.mean([slope(each)[0] for each in x] - one.log_density(x)))
        if value > chosen[0]:
            chosen = value, one
    return chosen[1]
