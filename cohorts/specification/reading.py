"""Populations from YAML: every key, number and reference is checked here, before any work."""

import math
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cohorts.covariates.given import Categorical, Covariate, Measured
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess, quantity
from cohorts.specification.parameters import EFFECTS, LEVEL_EFFECTS, SCALES, Correlation, Effect, LevelEffect, Parameter
from cohorts.specification.population import Population
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS, Residual

_POSITIVE = (0.0, math.inf)


def load_population(source: str | Path | Mapping[str, Any]) -> Population:
    """Read a population: a name in ``conf/population``, a path to a YAML file, or a mapping.

    Parameters
    ----------
    source
        Where it is written. `Population.to_dict` gives a mapping that reads back to an equal population.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    if isinstance(source, Mapping):
        return _population(Node("", source))
    path = _find(source)
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PopulationError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(written, Mapping):
        raise PopulationError(f"{path}: got {type(written).__name__}, wanted a mapping of name, parameters ...")
    return _population(Node("", written))


def populations() -> list[str]:
    """Names of the populations that come with the project."""
    return sorted(p.stem for p in _folder().glob("*.yaml"))


def _folder() -> Path:
    root = Path(__file__).resolve().parents[2]
    beside = root / "conf" / "population"
    return beside if beside.is_dir() else root / "trials" / "_conf" / "population"


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in {".yaml", ".yml"} or isinstance(source, Path):
        if path.is_file():
            return path
        raise PopulationError(f"population: no file {str(source)!r}")
    named = _folder() / f"{source}.yaml"
    if named.is_file():
        return named
    raise PopulationError(
        f"population: got {source!r}, wanted one of {populations()}{guess(str(source), populations())}"
    )


def _population(node: Node) -> Population:
    node.only("name", "reference", "covariates", "parameters", "correlations", "residual")
    covariates = _covariates(node.inner("covariates"))
    parameters = tuple(_parameter(n, covariates) for n in node.inner("parameters").named())
    if not parameters:
        raise PopulationError("parameters: missing; a population has at least one")
    made = Population(
        node.text("name"),
        node.text("reference"),
        tuple(covariates.values()),
        parameters,
        _correlations(node, parameters),
        tuple(_residual(n) for n in node.inner("residual").named()),
    )
    _distinct(made)
    return made


def _distinct(made: Population) -> None:
    seen: set[str] = set()
    names = [c.name for c in made.coefficients]
    for name in chain(made.covariate_names, made.parameter_names, names):
        if name in seen:
            raise PopulationError(
                f"{name}: used twice; covariates, parameters and their coefficients need distinct names"
            )
        seen.add(name)


def _covariates(node: Node) -> dict[str, Covariate]:
    made: dict[str, Covariate] = {}
    for inner in node.named():
        made[inner.name] = _categorical(inner) if "levels" in inner.value else _measured(inner, made)
    return made


def _categorical(node: Node) -> Categorical:
    node.only("meaning", "levels", "column", "source")
    levels = node.inner("levels")
    frequencies = tuple(levels.number(k) for k in levels.value)
    for key, p in zip(levels.value, frequencies, strict=True):
        if not 0.0 <= p <= 1.0:
            raise PopulationError(f"{levels.path(key)}: got {p!r}, wanted a probability from 0 to 1")
    if abs(sum(frequencies) - 1.0) > 1e-9:
        raise PopulationError(f"{levels.where}: probabilities sum to {sum(frequencies):.10g}, wanted 1")
    return Categorical(
        node.name, node.text("meaning"), node.text("source"), tuple(levels.value), frequencies, node.optional("column")
    )


def _measured(node: Node, before: Mapping[str, Covariate]) -> Measured:
    node.only("unit", "meaning", "distribution", "given", "distributions", "column", "source")
    source, given = node.text("source"), node.optional("given")
    if ("distribution" in node.value) == bool(given):
        raise PopulationError(f"{node.where}: wanted either distribution, or given with distributions, or levels")
    levels = _levels(node.path("given"), given, before) if given else ()
    if given:
        rows = _by_level(node.inner("distributions"), levels, source, constants=False)
    else:
        rows = (quantity(node, "distribution", source, (-math.inf, math.inf)),)
    return Measured(
        node.name, node.text("unit"), node.text("meaning"), source, rows, given, levels, node.optional("column")
    )


def _levels(where: str, name: str, covariates: Mapping[str, Covariate]) -> tuple[str, ...]:
    found = covariates.get(name)
    if isinstance(found, Categorical):
        return found.levels
    known = [n for n, c in covariates.items() if isinstance(c, Categorical)]
    raise PopulationError(f"{where}: got {name!r}, wanted a covariate with levels that stands before it: {known}")


def _by_level(node: Node, levels: tuple[str, ...], source: str, *, constants: bool) -> tuple[Quantity, ...]:
    node.only(*levels)
    rows = tuple(quantity(node, level, source, (-math.inf, math.inf)) for level in levels)
    families = {q.family for q in rows if q.free or not constants}
    if len(families) > 1:
        raise PopulationError(f"{node.where}: got {sorted(families)}, wanted one kind of distribution for all levels")
    return rows


def _parameter(node: Node, covariates: Mapping[str, Covariate]) -> Parameter:
    node.only("unit", "meaning", "typical", "scale", "effects", "between_subject", "between_occasion", "source")
    source = node.optional("source")
    scale = node.choice("scale", SCALES, "lognormal")
    row = SCALES[scale]
    return Parameter(
        node.name,
        node.text("unit"),
        node.text("meaning"),
        quantity(node, "typical", source, (row.low, row.high), strict=True),
        scale,
        tuple(_effect(n, covariates, source) for n in node.inner("effects").named()),
        _spread(node, "between_subject", source, "total"),
        _spread(node, "between_occasion", source),
        _total(node),
    )


def _spread(node: Node, key: str, source: str, *beside: str) -> Quantity | None:
    return quantity(node, key, source, _POSITIVE, beside=beside) if key in node.value else None


def _total(node: Node) -> bool:
    written = node.value.get("between_subject")
    total = written.get("total", False) if isinstance(written, Mapping) else False
    if not isinstance(total, bool):
        raise PopulationError(f"{node.path('between_subject')}.total: got {total!r}, wanted true or false")
    return total


def _effect(node: Node, covariates: Mapping[str, Covariate], source: str) -> Effect | LevelEffect:
    name = node.name
    if name not in covariates:
        known = list(covariates)
        raise PopulationError(f"{node.where}: got {name!r}, wanted one of the covariates {known}{guess(name, known)}")
    source = node.optional("source") or source
    if isinstance(covariates[name], Categorical):
        node.only("kind", "levels", "source")
        levels = _levels(node.where, name, covariates)
        rows = _by_level(node.inner("levels"), levels, source, constants=True)
        return LevelEffect(name, node.choice("kind", LEVEL_EFFECTS), levels, rows)
    node.only("kind", "reference", "coefficient", "source")
    kind, reference = node.choice("kind", EFFECTS), node.number("reference")
    if kind == "power" and reference <= 0.0:
        raise PopulationError(f"{node.path('reference')}: got {reference!r}, wanted a number > 0 for a power")
    return Effect(name, kind, reference, quantity(node, "coefficient", source, (-math.inf, math.inf)))


def _residual(node: Node) -> Residual:
    kind = node.choice("kind", ERRORS)
    node.only("kind", *ERRORS[kind].sigmas, "source")
    source = node.optional("source")
    return Residual(node.name, kind, tuple(quantity(node, s, source, _POSITIVE) for s in ERRORS[kind].sigmas))


def _correlations(node: Node, parameters: tuple[Parameter, ...]) -> tuple[Correlation, ...]:
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
    source = node.text("source")
    if "lkj" in node.value:
        return _lkj(node, of, source)
    rows = _matrix(node, len(of))
    partial = tuple(Quantity("fixed", (p,), source) for p in _partial(rows))
    return Correlation(of, partial, None, tuple(tuple(r) for r in rows.tolist()), source)


def _lkj(node: Node, of: tuple[str, ...], source: str) -> Correlation:
    shape = node.number("lkj")
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
