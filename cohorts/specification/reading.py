"""Populations from YAML: every key, number and reference is checked here, before any work."""

import math
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from cohorts.covariates.base import CovariateModel, Variable, variables
from cohorts.covariates.eligibility import read_eligibility
from cohorts.covariates.given import Categorical, Covariate, Measured
from cohorts.covariates.reading import read_model
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess, probabilities, quantity
from cohorts.specification.population import Population
from cohorts.specification.reading_endpoints import read_outcome, read_residual
from cohorts.specification.reading_parameters import by_level, read_correlations, read_mixture, read_parameter


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


_KEYS = (
    "name", "reference", "covariates", "mixture", "parameters", "correlations", "residual", "outcomes", "eligibility",
)  # fmt: skip


def _population(node: Node) -> Population:
    node.only(*_KEYS)
    covariates = _covariates(node.inner("covariates"))
    known = {v.name: v for entry in covariates.values() for v in variables(entry)}
    mixtures = tuple(read_mixture(n) for n in node.inner("mixture").named())
    if len(mixtures) > 1:
        raise PopulationError(
            f"mixture: got {[m.name for m in mixtures]}, wanted one at most; two are one whose classes are the pairs"
        )
    levels = {n: v.levels for n, v in known.items()} | {m.name: m.levels for m in mixtures}
    parameters = tuple(read_parameter(n, levels) for n in node.inner("parameters").named())
    if not parameters:
        raise PopulationError("parameters: missing; a population has at least one")
    made = Population(
        node.text("name"),
        node.text("reference"),
        tuple(covariates.values()),
        parameters,
        read_correlations(node, parameters),
        tuple(read_residual(n) for n in node.inner("residual").named()),
        tuple(read_outcome(n) for n in node.inner("outcomes").named()),
        mixtures,
        read_eligibility(node.value.get("eligibility"), known),
    )
    _distinct(made)
    return made


def _distinct(made: Population) -> None:
    seen: set[str] = set()
    names = [c.name for c in made.coefficients]
    mixtures = [m.name for m in made.mixtures]
    for name in chain(made.covariate_names, made.parameter_names, mixtures, names):
        if name in seen:
            raise PopulationError(
                f"{name}: used twice; covariates, parameters and their coefficients need distinct names"
            )
        seen.add(name)
    outputs = [e.output for e in made.endpoints]
    if twice := [o for o in outputs if outputs.count(o) > 1]:
        raise PopulationError(f"outcomes.{twice[0]}: stands under residual too, wanted one of the two")


def _covariates(node: Node) -> dict[str, Covariate | CovariateModel]:
    made: dict[str, Covariate | CovariateModel] = {}
    for inner in node.named():
        known = {v.name: v for entry in made.values() for v in variables(entry)}
        if "model" in inner.value:
            made[inner.name] = read_model(inner.name, inner, known)
        else:
            made[inner.name] = _categorical(inner) if "levels" in inner.value else _measured(inner, known)
    return made


def _categorical(node: Node) -> Categorical:
    node.only("meaning", "levels", "column", "source")
    levels = node.inner("levels")
    return Categorical(
        node.name,
        node.text("meaning"),
        node.text("source"),
        tuple(levels.value),
        probabilities(levels),
        node.optional("column"),
    )


def _measured(node: Node, before: Mapping[str, Variable]) -> Measured:
    node.only("unit", "meaning", "distribution", "given", "distributions", "column", "source")
    source, given = node.text("source"), node.optional("given")
    if ("distribution" in node.value) == bool(given):
        raise PopulationError(f"{node.where}: wanted either distribution, or given with distributions, or levels")
    levels = _levels(node.path("given"), given, before) if given else ()
    if given:
        rows = by_level(node.inner("distributions"), levels, source, constants=False)
    else:
        rows = (quantity(node, "distribution", source, (-math.inf, math.inf)),)
    return Measured(
        node.name, node.text("unit"), node.text("meaning"), source, rows, given, levels, node.optional("column")
    )


def _levels(where: str, name: str, before: Mapping[str, Variable]) -> tuple[str, ...]:
    if name in before and before[name].levels:
        return before[name].levels
    known = [n for n, v in before.items() if v.levels]
    raise PopulationError(f"{where}: got {name!r}, wanted a covariate with levels that stands before it: {known}")
