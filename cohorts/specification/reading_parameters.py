"""Parameters from YAML: typical values, effects, variability, correlations, classes of a mixture."""

import math
from collections.abc import Mapping

import numpy as np

from cohorts.errors import PopulationError
from cohorts.specification.defaults import DEFAULTS
from cohorts.specification.effects import EFFECTS, LEVEL_EFFECTS, Effect, LevelEffect
from cohorts.specification.nodes import Node, guess, probabilities, quantity
from cohorts.specification.parameters import (
    PARAMETERISATIONS,
    SCALES,
    Correlation,
    Limits,
    Mixture,
    Parameter,
)
from cohorts.specification.quantities import Quantity, check

Levels = Mapping[str, tuple[str, ...]]
"""Levels of each covariate and classes of each mixture; empty for a covariate on a scale."""

_POSITIVE = (0.0, math.inf)
_REAL = (-math.inf, math.inf)
_KEYS = (
    "unit", "meaning", "typical", "scale", "low", "high", "shape", "effects", "between_subject", "between_occasion",
    "between_site", "between_study", "parameterisation", "source",
)  # fmt: skip


def read_parameter(node: Node, levels: Levels) -> Parameter:
    """Parameter that the node is named after."""
    node.only(*_KEYS)
    source = node.optional("source")
    scale = node.choice("scale", SCALES, "lognormal")
    limits = _limits(node, scale)
    shape = _shape(node, scale, source)
    return Parameter(
        node.name,
        node.text("unit"),
        node.text("meaning"),
        quantity(node, "typical", source, limits, strict=True),
        scale,
        tuple(_effect(n, levels, source) for n in node.inner("effects").named()),
        _spread(node, "between_subject", source, "total"),
        _spread(node, "between_occasion", source),
        _total(node),
        _spread(node, "between_site", source),
        _spread(node, "between_study", source),
        limits,
        shape,
        node.choice("parameterisation", dict.fromkeys(PARAMETERISATIONS), "auto"),
    )


def _limits(node: Node, scale: str) -> Limits:
    row = SCALES[scale]
    given = {key: node.number(key) for key in ("low", "high") if key in node.value}
    if given and not row.bounded:
        raise PopulationError(f"{node.path(next(iter(given)))}: {scale} has its own limits; wanted logit-normal")
    low, high = given.get("low", row.limits[0]), given.get("high", row.limits[1])
    if low >= high:
        raise PopulationError(f"{node.path('low')}: got {low:g}, wanted less than high, {high:g}")
    return low, high


def _shape(node: Node, scale: str, source: str) -> Quantity | None:
    if SCALES[scale].shaped:
        if "between_subject" not in node.value:
            raise PopulationError(f"{node.where}: scale box-cox bends between_subject, which is missing")
        return quantity(node, "shape", source, _REAL, default="shape")
    if "shape" in node.value:
        raise PopulationError(f"{node.path('shape')}: the scale {scale} has none; wanted box-cox")
    return None


def _spread(node: Node, key: str, source: str, *beside: str) -> Quantity | None:
    if key not in node.value:
        return None
    return quantity(node, key, source, _POSITIVE, beside=beside, default="spread")


def _total(node: Node) -> bool:
    written = node.value.get("between_subject")
    total = written.get("total", False) if isinstance(written, Mapping) else False
    if not isinstance(total, bool):
        raise PopulationError(f"{node.path('between_subject')}.total: got {total!r}, wanted true or false")
    return total


def _effect(node: Node, levels: Levels, source: str) -> Effect | LevelEffect:
    name = node.name
    if name not in levels:
        known = list(levels)
        raise PopulationError(f"{node.where}: got {name!r}, wanted one of the covariates {known}{guess(name, known)}")
    source = node.optional("source") or source
    if levels[name]:
        node.only("kind", "levels", "source")
        kind = node.choice("kind", LEVEL_EFFECTS)
        default = "factor" if kind == "factor" else ""
        rows = by_level(node.inner("levels"), levels[name], source, constants=True, default=default)
        return LevelEffect(name, kind, levels[name], rows)
    kind = node.choice("kind", EFFECTS)
    row = EFFECTS[kind]
    node.only("kind", *(("reference",) if row.reference else ()), *row.fields, "source")
    reference = node.number("reference") if row.reference else 0.0
    if row.positive and row.reference and reference <= 0.0:
        raise PopulationError(f"{node.path('reference')}: got {reference!r}, wanted a number > 0 for {_article(kind)}")
    support = _REAL if row.reference else _POSITIVE
    default = kind if kind in DEFAULTS else ""
    found = tuple(quantity(node, f, source, support, strict=not row.reference, default=default) for f in row.fields)
    return Effect(name, kind, reference, found)


def _article(kind: str) -> str:
    return f"an {kind} effect" if kind[0] in "aeiou" else f"a {kind}"


def by_level(
    node: Node, levels: tuple[str, ...], source: str, *, constants: bool, default: str = ""
) -> tuple[Quantity, ...]:
    """One quantity a level, all of one family; `constants` says whether fixed ones may stand among them."""
    node.only(*levels)
    rows = tuple(quantity(node, level, source, _REAL, default=default) for level in levels)
    families = {q.family for q in rows if q.free or not constants}
    if len(families) > 1:
        raise PopulationError(f"{node.where}: got {sorted(families)}, wanted one kind of distribution for all levels")
    return rows


def read_mixture(node: Node) -> Mixture:
    """Mixture that the node is named after: its classes with fixed shares, or with a Dirichlet prior."""
    node.only("meaning", "levels", "dirichlet", "source")
    if ("levels" in node.value) == ("dirichlet" in node.value):
        raise PopulationError(f"{node.where}: wanted either levels (shares) or dirichlet (a prior of them)")
    source = node.text("source")
    inner = node.inner("levels" if "levels" in node.value else "dirichlet")
    levels = tuple(inner.value)
    if len(levels) < 2:
        raise PopulationError(f"{inner.where}: got {list(levels)}, wanted two classes or more")
    if "levels" in node.value:
        sticks = _fixed_sticks(probabilities(inner), source)
        return Mixture(node.name, node.text("meaning"), source, levels, sticks)
    numbers = tuple(inner.number(level) for level in levels)
    sticks = tuple(
        check(Quantity("beta", (a, sum(numbers[i + 1 :])), source), inner.path(levels[i]))
        for i, a in enumerate(numbers[:-1])
    )
    return Mixture(node.name, node.text("meaning"), source, levels, sticks, numbers)


def _fixed_sticks(shares: tuple[float, ...], source: str) -> tuple[Quantity, ...]:
    left = [1.0 - sum(shares[:i]) for i in range(len(shares))]
    return tuple(
        Quantity("fixed", (p / rest if rest > 0.0 else 1.0,), source)
        for p, rest in zip(shares[:-1], left[:-1], strict=True)
    )


def read_correlations(node: Node, parameters: tuple[Parameter, ...]) -> tuple[Correlation, ...]:
    """Blocks of correlated parameters, from the list under ``correlations``."""
    written = node.value.get("correlations") or []
    if not isinstance(written, list | tuple):
        raise PopulationError(f"correlations: got {written!r}, wanted a list")
    made = tuple(_correlation(Node(f"correlations[{i}]", w), parameters) for i, w in enumerate(written))
    names = [n for block in made for n in block.of]
    for name in names:
        if names.count(name) > 1:
            raise PopulationError(f"correlations: {name!r} stands in two blocks, wanted one at most")
    return made


def _correlation(node: Node, parameters: tuple[Parameter, ...]) -> Correlation:
    node.only("of", "lkj", "matrix", "source")
    varying = [p.name for p in parameters if p.between_subject]
    of = tuple(str(n) for n in node.need("of"))
    for name in of:
        if name not in varying or of.count(name) > 1 or len(of) < 2:
            raise PopulationError(f"{node.path('of')}: got {list(of)}, wanted two or more of {varying}")
    if ("lkj" in node.value) == ("matrix" in node.value):
        raise PopulationError(f"{node.where}: wanted either lkj (a prior) or matrix")
    source = node.text("source", DEFAULTS["lkj"].quantity().source if node.value.get("lkj") == "default" else None)
    if "lkj" in node.value:
        return _lkj(node, of, source)
    rows = _matrix(node, len(of))
    partial = tuple(Quantity("fixed", (p,), source) for p in _partial(rows))
    return Correlation(of, partial, None, tuple(tuple(r) for r in rows.tolist()), source)


def _lkj(node: Node, of: tuple[str, ...], source: str) -> Correlation:
    default = node.value["lkj"] == "default"
    shape = DEFAULTS["lkj"].values[0] if default else node.number("lkj")
    if shape <= 0.0:
        raise PopulationError(f"{node.path('lkj')}: got {shape!r}, wanted a number > 0")
    size = len(of)
    columns = [j for i in range(size) for j in range(i)]
    partial = tuple(Quantity("correlation", (shape + (size - 2 - j) / 2.0,), source) for j in columns)
    return Correlation(of, partial, shape, (), source)


def _matrix(node: Node, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    where = node.path("matrix")
    try:
        rows = np.array(node.need("matrix"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PopulationError(f"{where}: got {node.need('matrix')!r}, wanted {size} rows of {size} numbers") from error
    if (
        rows.shape != (size, size)
        or not np.array_equal(rows, rows.T)
        or not np.array_equal(np.diag(rows), np.ones(size))
    ):
        raise PopulationError(f"{where}: wanted a symmetric {size} x {size} matrix with 1 on the diagonal")
    if np.linalg.eigvalsh(rows).min() <= 1e-12:
        raise PopulationError(f"{where}: not positive definite: no such correlations exist")
    return rows


def _partial(rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    factor = np.linalg.cholesky(rows)
    left = [math.sqrt(1.0 - float(np.sum(factor[i, :j] ** 2))) for i in range(len(rows)) for j in range(i)]
    below = [float(factor[i, j]) for i in range(len(rows)) for j in range(i)]
    return [b / r for b, r in zip(below, left, strict=True)]
