"""Sequential regressions fitted to weighted rows."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from cohorts.covariates.base import Values, Variable
from cohorts.covariates.fitting_copula import weighted_quantiles
from cohorts.covariates.regression import KINDS, Choice, Measure, Regression, Step
from cohorts.covariates.resampling import TableRows
from cohorts.covariates.terms import INTERCEPT, Line, Term, parse
from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array

KNOTS = special.ndtr(np.linspace(-3.2, 3.2, 65))
"""Probabilities at which the residuals are kept."""

_LEAST = 1e-12


def fit(
    name: str,
    rows: TableRows,
    mass: Array,
    source: str,
    kinds: Mapping[str, str] | None = None,
    *,
    knots: int = 3,
    interactions: bool = True,
) -> Regression:
    """Regression of each column on those before it.

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
    kinds
        Covariate to ``linear`` or ``loglinear``; the latter for those whose values are all positive unless it says so.
    knots
        Of the linear spline of each predictor on a scale.
    interactions
        Whether the terms of a predictor on a scale differ by the levels of those before.

    Raises
    ------
    PopulationError
        If a covariate does not vary, or follows exactly from those before it.
    """
    asked = dict(kinds or {})
    if unknown := set(asked) - {c.variable.name for c in rows.about}:
        raise PopulationError(
            f"kinds: got {min(unknown)!r}, wanted covariates of {[c.variable.name for c in rows.about]}"
        )
    steps: list[Step] = []
    before: dict[str, Variable] = {}
    for v in (
        Variable(c.variable.name, c.variable.unit, c.variable.meaning, source, c.variable.levels) for c in rows.about
    ):
        terms = _terms(before, rows, mass, knots, interactions=interactions)
        if v.levels:
            steps.append(_choice(v, rows, mass, terms))
        else:
            steps.append(_measure(v, rows, mass, terms, asked.get(v.name, "")))
        before[v.name] = v
    return Regression(name, tuple(steps))


def _terms(
    before: Mapping[str, Variable], rows: TableRows, mass: Array, knots: int, *, interactions: bool
) -> list[Term]:
    graded = [[f"{v.name}[{level}]" for level in v.levels[1:]] for v in before.values() if v.levels]
    levels = [text for group in graded for text in group]
    scales: list[str] = []
    for v in before.values():
        if not v.levels:
            at = weighted_quantiles(rows.rows[v.name], mass, np.linspace(0.0, 1.0, knots + 2)[1:-1])
            scales += [v.name, *(f"{v.name}>{x:.6g}" for x in np.unique(at))]
    crossed = [f"{level}:{scale}" for level in levels for scale in scales] if interactions else []
    return [parse(text, before, text) for text in (INTERCEPT, *levels, *scales, *crossed)]


def _design(terms: list[Term], rows: TableRows, size: int) -> Array:
    return np.stack([np.broadcast_to(t.of(rows.rows), (size,)) for t in terms], axis=1)


def _measure(v: Variable, rows: TableRows, mass: Array, terms: list[Term], kind: str) -> Measure:
    found = rows.rows[v.name]
    kind = kind or ("loglinear" if found.min() > 0.0 else "linear")
    if kind not in KINDS or (kind == "loglinear" and found.min() <= 0.0):
        raise PopulationError(f"kinds.{v.name}: got {kind!r}, wanted linear or, for values > 0, loglinear")
    seen = np.log(found) if kind == "loglinear" else found
    design = _design(terms, rows, len(seen))
    centre = _least_squares(design, seen, mass)
    residual = seen - design @ centre
    scale = np.sqrt(np.average(residual**2, weights=mass))
    if scale < 1e-6 * max(1.0, float(np.abs(seen).max())):
        raise PopulationError(f"{v.name}: does not vary, or follows from those before it; leave it out or derive it")
    # The scale of the residual by a regression of its logarithm (Harvey AC. Econometrica 1976;44:461-465.
    # doi:10.2307/1913974); the quantiles of the scaled residual set the level right.
    floor = 1e-3 * scale
    spread = _least_squares(design, np.log(np.maximum(np.abs(residual), floor)), mass)
    scaled = residual / np.exp(design @ spread)
    inner = weighted_quantiles(scaled, mass, KNOTS)
    values = np.concatenate([[scaled.min() - _LEAST], inner, [scaled.max() + _LEAST]])
    kept = np.concatenate([[True], np.diff(values) > 0.0])
    at = np.array([0.0, *KNOTS, 1.0])[kept]
    at[-1] = 1.0
    return Measure(
        v, kind, _line(terms, centre), _line(terms, spread), tuple(at.tolist()), tuple(values[kept].tolist()),
        float(found.min()), float(found.max()),
    )  # fmt: skip


def _least_squares(design: Array, seen: Array, mass: Array) -> Array:
    """Weighted least squares; columns of one size, so that what is nearly dependent is told from what is small."""
    root = np.sqrt(mass)
    size = np.sqrt(np.average(design**2, axis=0, weights=mass))
    size[size == 0.0] = 1.0
    found, *_ = np.linalg.lstsq((design / size) * root[:, None], seen * root, rcond=1e-10)
    return np.asarray(found / size)


def _choice(v: Variable, rows: TableRows, mass: Array, terms: list[Term]) -> Choice:
    codes = rows.rows[v.name]
    shares = np.bincount(codes, weights=mass, minlength=len(v.levels))
    if (shares == 0.0).any():
        raise PopulationError(f"{v.name}: no row has the level {v.levels[int(np.argmin(shares))]!r}; leave it out")
    design = _design(terms, rows, len(codes))
    size = np.sqrt(np.average(design**2, axis=0, weights=mass))
    size[size == 0.0] = 1.0
    odds = _multinomial(design / size, codes, mass / mass.sum(), len(v.levels)) / size
    return Choice(v, tuple(_line(terms, row) for row in odds))


def _multinomial(design: Array, codes: Values, mass: Array, levels: int) -> Array:
    """Coefficients of the log odds of each level against the first, (level - 1, term), by maximum likelihood.

    A penalty of a ten-thousandth of a row's likelihood on the squared coefficients keeps them finite where a level
    never meets another.
    """
    width = design.shape[1]
    target = np.eye(levels)[codes][:, 1:]
    ridge = 1e-4 / len(design)
    found = np.zeros((levels - 1, width))
    best, chance = _likelihood(found, design, target, mass, ridge)
    for _ in range(100):
        slope = ((target - chance) * mass[:, None]).T @ design - 2.0 * ridge * found
        if np.abs(slope).max() < 1e-9:
            return found
        step = np.linalg.solve(_curvature(chance, design, mass, ridge), slope.ravel()).reshape(found.shape)
        found, best, chance = _climb(found, step, best, lambda b: _likelihood(b, design, target, mass, ridge))
    raise PopulationError("a multinomial regression did not converge; give fewer knots, or join rare levels")


def _climb(
    found: Array, step: Array, best: float, likelihood: Callable[[Array], tuple[float, Array]]
) -> tuple[Array, float, Array]:
    """Newton's step, halved until the likelihood no longer falls by more than rounding."""
    for halving in range(60):
        tried = found + 0.5**halving * step
        gain, chance = likelihood(tried)
        if gain >= best - 1e-12 * (1.0 + abs(best)):
            return tried, gain, chance
    raise PopulationError("a multinomial regression did not converge; give fewer knots, or join rare levels")


def _likelihood(b: Array, design: Array, target: Array, mass: Array, ridge: float) -> tuple[float, Array]:
    """Penalised log likelihood, and the chance of each level but the first for each row."""
    scores = np.concatenate([np.zeros((len(design), 1)), design @ b.T], axis=1)
    total = special.logsumexp(scores, axis=1)
    gain = float(mass @ (np.sum(target * scores[:, 1:], axis=1) - total)) - ridge * float(np.sum(b**2))
    return gain, np.exp(scores[:, 1:] - total[:, None])


def _curvature(chance: Array, design: Array, mass: Array, ridge: float) -> Array:
    """Negative second derivatives of the penalised log likelihood, of all coefficients level by level."""
    count, width = chance.shape[1], design.shape[1]
    made = np.empty((count, width, count, width))
    for a in range(count):
        for b in range(a + 1):
            weight = mass * chance[:, a] * (float(a == b) - chance[:, b])
            made[a, :, b, :] = made[b, :, a, :] = design.T @ (design * weight[:, None])
    return made.reshape(count * width, count * width) + 2.0 * ridge * np.eye(count * width)


def _line(terms: list[Term], coefficients: Array) -> Line:
    return tuple(zip(terms, coefficients.tolist(), strict=True))
