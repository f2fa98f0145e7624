"""Tables of real people: their columns with units and levels, the weight of each row, and where they come from."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.covariates import shelf
from cohorts.covariates.base import Values, Variable
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess
from cohorts.specification.quantities import Array


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    variable
        What it is called here, its unit, meaning and levels.
    resolution
        Step to which it was rounded; 0 for not rounded, or unknown.
    down
        Whether it was rounded down (age in completed years), not to the nearest step.
    """

    variable: Variable
    resolution: float = 0.0
    down: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of real people.

    Attributes
    ----------
    name
        What it is called, or the path it was read from.
    source, licence
        Where it comes from and what may be done with it.
    sha256
        Digest of its content.
    columns
        By name.
    rows
        By name of the column, (row): numbers (NaN where missing), or codes of levels (-1 where missing).
    weights
        How many people each row stands for, up to a factor, (row).
    """

    name: str
    source: str
    licence: str
    sha256: str
    columns: dict[str, Column]
    rows: dict[str, Values]
    weights: Array

    def column(self, name: str, where: str) -> Column:
        """Column of a name.

        Raises
        ------
        PopulationError
            If there is none, naming `where` it was asked for.
        """
        if name not in self.columns:
            known = list(self.columns)
            raise PopulationError(f"{where}: got {name!r}, wanted one of the columns {known}{guess(name, known)}")
        return self.columns[name]

    def missing(self, name: str) -> Values:
        """Which rows lack a column, (row)."""
        found = self.rows[name]
        return np.asarray(found < 0 if self.columns[name].variable.levels else np.isnan(found))

    def frame(self, share: str = "share") -> pd.DataFrame:
        """Rows as a DataFrame: levels by name, missing values as such, and the weights, which sum to 1, as `share`."""
        columns = {name: self._plain(name) for name in self.columns}
        return pd.DataFrame(columns).assign(**{share: self.weights / self.weights.sum()})

    def _plain(self, name: str) -> Values:
        levels = self.columns[name].variable.levels
        return np.array([*levels, None], dtype=object)[self.rows[name]] if levels else self.rows[name]


def tables() -> list[str]:
    """Names of the tables that come with the project."""
    return shelf.shipped("table")


def load_table(source: str | Path, where: str = "table") -> Table:
    """Read a table: a name in ``conf/table``, or a path to a YAML file that describes a CSV file beside it.

    The YAML has ``file``, ``sha256`` of it, ``provenance`` with ``source`` and ``licence``, ``columns`` and, if rows do
    not all count the same, ``weights``, the name of a column of the file. A column has ``meaning``, ``unit`` or
    ``levels``, and if need be ``column`` (its name in the file), ``divide`` (what to divide it by), ``resolution`` and
    ``rounded: down``.

    Raises
    ------
    PopulationError
        If it is not there, is not what its digest says, or a value is not a number or level.
    """
    path = shelf.find("table", source, where)
    node = shelf.read(path).only("name", "title", "file", "sha256", "columns", "weights", "provenance")
    frame = read_csv(path, node)
    provenance = node.inner("provenance")
    columns = {n.name: _column(n, provenance.text("source")) for n in node.inner("columns").named()}
    rows = {name: _values(frame, c, _at(node, name)) for name, c in columns.items()}
    weights = _weights(frame, node)
    return Table(
        str(source), provenance.text("source"), provenance.text("licence"), node.text("sha256"), columns, rows, weights
    )


def read_csv(path: Path, node: Node) -> pd.DataFrame:
    """Texts of the CSV file that a YAML file describes under ``file`` and ``sha256``.

    Raises
    ------
    PopulationError
        If there is none beside it, or it is not what its digest says.
    """
    file = path.parent / node.text("file")
    if not file.is_file():
        raise PopulationError(f"{node.path('file')}: no file {file.name!r} beside it")
    found, wanted = hashlib.sha256(file.read_bytes()).hexdigest(), node.text("sha256")
    if found != wanted:
        raise PopulationError(f"{node.path('sha256')}: {file.name} has {found}, wanted {wanted}: the table has changed")
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def from_frame(
    frame: pd.DataFrame,
    *,
    units: Mapping[str, str],
    weights: str = "",
    meanings: Mapping[str, str] | None = None,
    source: str,
    name: str = "frame",
) -> Table:
    """Table of a data frame in memory.

    Parameters
    ----------
    frame
        One row a person. A column that is not of numbers has levels: those of a categorical column in their order,
        else the sorted texts.
    units
        Units of the columns of numbers to be used; the columns with levels are used whatever it says.
    weights
        Column with the weight of a row; empty for equal weights.
    meanings
        What the columns are; the name where it says nothing.
    source
        Where the people come from.
    name
        What to call it.

    Raises
    ------
    PopulationError
        If a unit is for no column, or a weight is not a number >= 0.
    """
    if unknown := [c for c in [*units, *([weights] if weights else [])] if c not in frame]:
        raise PopulationError(f"{name}: lacks column {unknown[0]!r}; has {[str(c) for c in frame.columns]}")
    says = meanings or {}
    columns: dict[str, Column] = {}
    rows: dict[str, Values] = {}
    for label in map(str, frame.columns):
        if label == weights:
            continue
        found = frame[label]
        if pd.api.types.is_numeric_dtype(found) and not pd.api.types.is_bool_dtype(found):
            if label in units:
                columns[label] = Column(Variable(label, units[label], says.get(label, label), source))
                rows[label] = found.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        held = found if isinstance(found.dtype, pd.CategoricalDtype) else found.astype("category")
        levels = tuple(map(str, held.cat.categories))
        columns[label] = Column(Variable(label, "1", says.get(label, label), source, levels))
        rows[label] = held.cat.codes.to_numpy(dtype=np.int64)
    mass = frame[weights].to_numpy(dtype=np.float64) if weights else np.ones(len(frame))
    digest = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
    return Table(name, source, "as its source says", digest, columns, rows, _mass(mass, f"{name}.{weights}"))


def _at(node: Node, name: str) -> Node:
    return Node(f"{node.path('columns')}.{name}", node.inner("columns").value[name])


def _column(node: Node, source: str) -> Column:
    node.only("column", "meaning", "unit", "levels", "divide", "resolution", "rounded")
    about = (node.text("meaning"), source)
    if "levels" in node.value:
        levels = node.need("levels")
        if not isinstance(levels, list) or len(set(levels)) != len(levels) or len(levels) < 2:
            raise PopulationError(
                f"{node.path('levels')}: got {levels!r}, wanted a list of two or more distinct levels"
            )
        return Column(Variable(node.name, "1", *about, tuple(map(str, levels))))
    step = node.number("resolution") if "resolution" in node.value else 0.0
    if step < 0.0:
        raise PopulationError(f"{node.path('resolution')}: got {step!r}, wanted a number >= 0")
    down = node.choice("rounded", {"nearest": False, "down": True}, "nearest") == "down"
    return Column(Variable(node.name, node.text("unit"), *about), step, down)


def _values(frame: pd.DataFrame, column: Column, node: Node) -> Values:
    label = node.text("column", node.name)
    if label not in frame:
        raise PopulationError(f"{node.path('column')}: the file lacks {label!r}; has {list(frame.columns)}")
    texts = frame[label]
    if column.variable.levels:
        codes = {level: i for i, level in enumerate(column.variable.levels)} | {"": -1}
        if odd := sorted(set(texts) - set(codes)):
            raise PopulationError(f"{node.path('levels')}: lacks {odd[0]!r}, which stands in column {label!r}")
        return texts.map(codes).to_numpy(dtype=np.int64)
    return _numbers(texts, node) / (node.number("divide") if "divide" in node.value else 1.0)


def _numbers(texts: "pd.Series[Any]", node: Node) -> Array:
    try:
        return pd.to_numeric(texts.where(texts != "")).to_numpy(dtype=np.float64)
    except ValueError as error:
        raise PopulationError(f"{node.where}: not all numbers: {error}") from error


def _weights(frame: pd.DataFrame, node: Node) -> Array:
    if "weights" not in node.value:
        return np.ones(len(frame))
    label = node.text("weights")
    if label not in frame:
        raise PopulationError(f"{node.path('weights')}: the file lacks {label!r}; has {list(frame.columns)}")
    return _mass(_numbers(frame[label], node), node.path("weights"))


def _mass(found: Array, where: str) -> Array:
    if not np.isfinite(found).all() or found.min() < 0.0 or not math.isfinite(found.sum()) or found.sum() <= 0.0:
        raise PopulationError(f"{where}: got a weight that is missing or negative, wanted numbers >= 0, not all 0")
    return found
