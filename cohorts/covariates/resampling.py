"""Whole people resampled from a table, so that what goes together in it goes together in the cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cohorts.covariates import derived
from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.covariates.derived import Derived
from cohorts.covariates.eligibility import Criterion, read_eligibility
from cohorts.covariates.tables import Column, Table, load_table
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node
from cohorts.specification.quantities import Array

_NO_UNIFORMS = np.empty((0,))


@dataclass(frozen=True, slots=True)
class TableRows(CovariateModel):
    """Rows of a table drawn with replacement, each with the chance its weight gives it.

    Attributes
    ----------
    name
        The entry it was read from.
    table, sha256
        Name or path of the table, and the digest of its content.
    columns
        Name of each covariate and of its column.
    derived
        Covariates computed from those, which `where` may use.
    where
        Which rows may be drawn.
    weighted
        Whether the weights of the rows count; otherwise each row has the same chance.
    jitter
        Whether a number is spread evenly over the interval that rounds to it. A row that would so leave `where` is
        taken as it stands.
    """

    name: str
    table: str
    sha256: str
    columns: tuple[tuple[str, str], ...]
    derived: tuple[Derived, ...]
    where: tuple[Criterion, ...]
    weighted: bool
    jitter: bool
    about: tuple[Column, ...] = field(compare=False, repr=False)
    rows: dict[str, Values] = field(compare=False, repr=False)
    edges: Array = field(compare=False, repr=False)
    """Cumulative chance of the rows that may be drawn, (row)."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The covariates it makes: the columns, then what is derived from them."""
        return (*(c.variable for c in self.about), *(v for d in self.derived for v in d.variables))

    @property
    def spread(self) -> tuple[Column, ...]:
        """Columns that are spread over the interval that rounds to them."""
        return tuple(c for c in self.about if c.resolution > 0.0) if self.jitter else ()

    @property
    def width(self) -> int:
        """One number for the row, and one for each column that is spread."""
        return 1 + len(self.spread)

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:  # noqa: ARG002 (it depends on nothing else)
        """Rows at uniform numbers; `CovariateModel.values` says what the arguments are."""
        row = np.minimum(np.searchsorted(self.edges, u[..., 0], side="right"), len(self.edges) - 1)
        if not self.spread:
            return {n: v[row] for n, v in self.rows.items()}
        made = {c.variable.name: self.rows[c.variable.name][row] for c in self.about}
        for i, column in enumerate(self.spread):
            shift = 0.0 if column.down else 0.5
            name = column.variable.name
            made[name] = made[name] + (u[..., 1 + i] - shift) * column.resolution
        made = _derive(made, self.derived)
        if not self.where:
            return made
        stays = np.all([c.passes(made) for c in self.where], axis=0)
        return {n: np.where(stays, v, self.rows[n][row]) for n, v in made.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal model."""
        return {
            "model": "table",
            "table": self.table,
            "sha256": self.sha256,
            "columns": dict(self.columns),
            "derived": {d.name: {k: v for k, v in d.to_dict().items() if k != "model"} for d in self.derived},
            "where": [c.to_dict() for c in self.where],
            "weighted": self.weighted,
            "jitter": self.jitter,
        }


def read(name: str, node: Node, before: Mapping[str, Variable]) -> TableRows:  # noqa: ARG001 (one call shape)
    """Read an entry with ``model: table``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``table``, a name in ``conf/table`` or the path of a YAML file; ``columns``, covariate to column, or a list of
    columns that keep their names; ``derived``, entries as of ``model: derived``; ``where``, criteria as of
    ``eligibility``; ``weighted`` (true) and ``jitter`` (false); ``sha256``, which the table must then have. Rows that
    lack one of the columns are left out.
    """
    node.only("model", "table", "sha256", "columns", "derived", "where", "weighted", "jitter")
    table = load_table(node.text("table"), node.path("table"))
    if node.text("sha256", table.sha256) != table.sha256:
        raise PopulationError(f"{node.path('sha256')}: {table.name} has {table.sha256}: the table has changed")
    columns = _columns(node, table)
    derivations = _derivations(node, {c: _named(table.columns[k], c).variable for c, k in columns.items()})
    return resample(
        name,
        table,
        columns,
        derivations=derivations,
        where=node.value.get("where"),
        weighted=_flag(node, "weighted", True),
        jitter=_flag(node, "jitter", False),
        path=node.where,
    )


def resample(
    name: str,
    table: Table,
    columns: Mapping[str, str],
    *,
    derivations: tuple[Derived, ...] = (),
    where: object = None,
    weighted: bool = True,
    jitter: bool = False,
    path: str = "table",
) -> TableRows:
    """Model that resamples a table; `TableRows` says what the arguments are, `read` what is left out.

    Raises
    ------
    PopulationError
        If no row is left.
    """
    about = tuple(_named(table.columns[k], covariate) for covariate, k in columns.items())
    known = {c.variable.name: c.variable for c in about} | {v.name: v for d in derivations for v in d.variables}
    criteria = read_eligibility(where, known, f"{path}.where")
    mass = table.weights if weighted else np.ones_like(table.weights)
    kept = (mass > 0.0) & ~np.any([table.missing(k) for k in columns.values()], axis=0)
    rows = {covariate: table.rows[k][kept] for covariate, k in columns.items()}
    # What is derived may not exist for rows that the other criteria leave out: an eGFR of adults, for a child.
    rows, mass = _keep(rows, mass[kept], [c for c in criteria if c.covariate in rows], path)
    rows = _derive(rows, derivations)
    rows, mass = _keep(rows, mass, criteria, path)
    edges = np.cumsum(mass) / mass.sum()
    return TableRows(
        name, table.name, table.sha256, tuple(columns.items()), derivations, criteria, weighted, jitter,
        about, rows, edges,
    )  # fmt: skip


def _keep(
    rows: dict[str, Values], mass: Array, criteria: list[Criterion] | tuple[Criterion, ...], path: str
) -> tuple[dict[str, Values], Array]:
    if criteria:
        met = np.all([c.passes(rows) for c in criteria], axis=0)
        rows, mass = {n: v[met] for n, v in rows.items()}, mass[met]
    if not len(mass):
        raise PopulationError(f"{path}.where: no row of the table has all columns and meets the criteria")
    return rows, mass


def _derive(rows: dict[str, Values], derivations: tuple[Derived, ...]) -> dict[str, Values]:
    made = dict(rows)
    for one in derivations:
        made |= one.values(_NO_UNIFORMS, made)
    return made


def _named(column: Column, name: str) -> Column:
    v = column.variable
    return Column(Variable(name, v.unit, v.meaning, v.source, v.levels), column.resolution, column.down)


def _columns(node: Node, table: Table) -> dict[str, str]:
    written = node.need("columns")
    listed = {str(c): str(c) for c in written} if isinstance(written, list | tuple) else None
    columns = listed if listed is not None else {k: str(v) for k, v in node.inner("columns").value.items()}
    if not columns:
        raise PopulationError(f"{node.path('columns')}: empty; wanted columns of {table.name}: {list(table.columns)}")
    for covariate, column in columns.items():
        table.column(column, f"{node.path('columns')}.{covariate}")
    return columns


def _derivations(node: Node, known: dict[str, Variable]) -> tuple[Derived, ...]:
    made: list[Derived] = []
    for inner in node.inner("derived").named():
        if inner.name in known:
            raise PopulationError(f"{inner.where}: is the name of a column too")
        one = derived.read(inner.name, inner, known)
        made.append(one)
        known |= {v.name: v for v in one.variables}
    return tuple(made)


def _flag(node: Node, key: str, default: bool) -> bool:
    found = node.value.get(key, default)
    if not isinstance(found, bool):
        raise PopulationError(f"{node.path(key)}: got {found!r}, wanted true or false")
    return found
