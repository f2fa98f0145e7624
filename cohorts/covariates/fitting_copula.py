"""A Gaussian copula fitted to weighted rows: margins first, then the correlation of each pair by maximum likelihood."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import optimize, special

from cohorts.covariates.base import Values, Variable
from cohorts.covariates.copula import Copula
from cohorts.covariates.margins import Empirical, Graded, Margin, Smooth
from cohorts.covariates.resampling import TableRows
from cohorts.covariates.scores import nearest_correlation
from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array, Quantity

KNOTS = special.ndtr(np.linspace(-3.2, 3.2, 97))
"""Probabilities at which an empirical margin is kept: evenly spaced as scores, so that tails are not lost."""

MOST_MOVED = 0.05
"""How far a correlation may be moved so that all of them go together."""


def fit(name: str, rows: TableRows, mass: Array, source: str, margins: Mapping[str, str] | None = None) -> Copula:
    """Copula of the columns of a table.

    Parameters
    ----------
    name
        What the model is called.
    rows
        The rows, without missing values.
    mass
        Weight of each row.
    source
        Where they come from.
    margins
        Covariate to ``empirical``, ``normal`` or ``lognormal``.

    Raises
    ------
    PopulationError
        If a covariate does not vary, or a margin is impossible.
    """
    asked = dict(margins or {})
    columns = [c.variable for c in rows.about]
    if unknown := set(asked) - {v.name for v in columns}:
        raise PopulationError(f"margins: got {min(unknown)!r}, wanted covariates of {[v.name for v in columns]}")
    made = tuple(margin(v, rows.rows[v.name], mass, asked.get(v.name, "empirical"), source) for v in columns)
    scores = [m.cuts if isinstance(m, Graded) else normal_scores(rows.rows[m.variable.name], mass) for m in made]
    codes = [rows.rows[v.name] for v in columns]
    correlation = np.eye(len(made))
    for i in range(len(made)):
        for j in range(i):
            correlation[i, j] = correlation[j, i] = _pair(
                (made[i], made[j]), (scores[i], scores[j]), (codes[i], codes[j]), mass
            )
    return Copula(name, made, nearest_correlation(correlation, MOST_MOVED, name), source)


def margin(variable: Variable, found: Values, mass: Array, kind: str, source: str) -> Margin:
    """Margin of a column; `fit` says what the arguments are."""
    v = Variable(variable.name, variable.unit, variable.meaning, source, variable.levels)
    if v.levels:
        shares = np.bincount(found, weights=mass, minlength=len(v.levels))
        shares /= shares.sum()
        if shares.max() == 1.0:
            raise PopulationError(f"{v.name}: has one level only in these rows; leave it out")
        return Graded(v, tuple(shares.tolist()))
    if found.min() == found.max():
        raise PopulationError(f"{v.name}: is {found.min():g} in all rows; leave it out")
    if kind == "empirical":
        inner = weighted_quantiles(found, mass, KNOTS)
        values = np.concatenate([[found.min()], inner, [found.max()]])
        return Empirical(v, (0.0, *KNOTS.tolist(), 1.0), tuple(values.tolist()))
    if kind not in {"normal", "lognormal"} or (kind == "lognormal" and found.min() <= 0.0):
        raise PopulationError(f"margins.{v.name}: got {kind!r}, wanted empirical, normal or, for values > 0, lognormal")
    seen = np.log(found) if kind == "lognormal" else found
    mean = float(np.average(seen, weights=mass))
    sd = float(np.sqrt(np.average((seen - mean) ** 2, weights=mass)))
    values_of = (np.exp(mean), np.sqrt(np.expm1(sd**2))) if kind == "lognormal" else (mean, sd)
    return Smooth(v, Quantity(kind, tuple(float(x) for x in values_of), source))


def weighted_quantiles(found: Values, mass: Array, probabilities: Array) -> Array:
    """Quantiles of weighted values: each stands at the middle of its weight, straight lines between them."""
    values, inverse = np.unique(found, return_inverse=True)
    weight = np.bincount(inverse, weights=mass)
    middle = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return np.asarray(np.interp(probabilities, middle, values))


def normal_scores(found: Values, mass: Array) -> Array:
    """Standard normal score of each value by its weighted rank; equal values share one. Their variance is made 1."""
    _, inverse = np.unique(found, return_inverse=True)
    weight = np.bincount(inverse, weights=mass)
    z = special.ndtri((np.cumsum(weight) - 0.5 * weight) / weight.sum())[inverse]
    z = z - np.average(z, weights=mass)
    return np.asarray(z / np.sqrt(np.average(z**2, weights=mass)))


def _pair(
    margins: tuple[Margin, Margin], scores: tuple[Array, Array], codes: tuple[Values, Values], mass: Array
) -> float:
    """Correlation of the scores of two covariates; of one with levels only the cuts around the score are seen."""
    graded = [isinstance(m, Graded) for m in margins]
    if not any(graded):
        return float(np.average(scores[0] * scores[1], weights=mass))
    if all(graded):
        return polychoric(scores[0], scores[1], _crossed(codes, (len(scores[0]) + 1, len(scores[1]) + 1), mass))
    i = graded.index(True)
    return polyserial(scores[1 - i], codes[i], scores[i], mass)


def polyserial(z: Array, codes: Values, cuts: Array, mass: Array) -> float:
    """Correlation of a score that is seen with one seen only as a level, by maximum likelihood given the margins.

    Olsson U, Drasgow F, Dorans NJ. Psychometrika 1982;47:337-347. doi:10.1007/BF02294164

    Parameters
    ----------
    z
        Scores that are seen.
    codes
        Levels of the other.
    cuts
        Where it is cut.
    mass
        Weight of each row.
    """
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    low, high = edges[codes], edges[codes + 1]

    def deviance(r: float) -> float:
        rest = np.sqrt(1.0 - r * r)
        share = special.ndtr((high - r * z) / rest) - special.ndtr((low - r * z) / rest)
        return -float(np.average(np.log(np.maximum(share, 1e-300)), weights=mass))

    return _best(deviance)


def polychoric(first: Array, second: Array, shares: Array) -> float:
    """Correlation of two scores that are both seen only as levels, by maximum likelihood given the margins.

    Olsson U. Psychometrika 1979;44:443-460. doi:10.1007/BF02296207

    Parameters
    ----------
    first, second
        Where they are cut.
    shares
        Weight of each pair of levels, (level, level).
    """
    rows, columns = (np.concatenate([[-np.inf], c, [np.inf]]) for c in (first, second))

    def deviance(r: float) -> float:
        corners = bivariate(rows[:, None], columns[None, :], r)
        cells = np.diff(np.diff(corners, axis=0), axis=1)
        return -float(np.sum(shares * np.log(np.maximum(cells, 1e-300))))

    return _best(deviance)


def bivariate(h: Array, k: Array, r: float) -> Array:
    """Distribution function of two standard normal variables of correlation `r`, by Owen's function.

    Owen DB. Ann Math Stat 1956;27:1075-1090. doi:10.1214/aoms/1177728074
    """
    h, k = np.broadcast_arrays(h, k)
    inside = np.isfinite(h) & np.isfinite(k)
    # Owen's formula divides by the arguments: one of exactly 0 is moved by less than its distribution function shows.
    x, y = (np.where(inside & (v == 0.0), 1e-12, np.where(inside, v, 1.0)) for v in (h, k))
    rest = np.sqrt(1.0 - r * r)
    both = special.owens_t(x, (y / x - r) / rest) + special.owens_t(y, (x / y - r) / rest)
    made = 0.5 * (special.ndtr(x) + special.ndtr(y)) - both - np.where(x * y > 0.0, 0.0, 0.5)
    return np.where(inside, made, np.where((h == -np.inf) | (k == -np.inf), 0.0, special.ndtr(np.minimum(h, k))))


def _crossed(codes: tuple[Values, Values], size: tuple[int, int], mass: Array) -> Array:
    flat = np.bincount(codes[0] * size[1] + codes[1], weights=mass, minlength=size[0] * size[1])
    return np.asarray(flat.reshape(size) / flat.sum())


def _best(deviance: Callable[[float], float]) -> float:
    found = optimize.minimize_scalar(deviance, bounds=(-0.999, 0.999), method="bounded", options={"xatol": 1e-7})
    return float(found.x)
