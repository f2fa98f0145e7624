"""People as a table of numbers and codes, whatever they came in: what the measures of quality compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array

Table = xr.Dataset | pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """One row a person.

    Attributes
    ----------
    names
        Of the columns.
    levels
        Names of the levels of each column; empty for one on a scale.
    values
        Numbers, or codes of levels, (record, column).
    weights
        Share of each record in what the table stands for, (record); they sum to 1.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    values: Array
    weights: Array

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.values)

    @property
    def scales(self) -> NDArray[np.intp]:
        """Columns on a scale."""
        return np.array([i for i, levels in enumerate(self.levels) if not levels], dtype=np.intp)

    @property
    def groups(self) -> NDArray[np.intp]:
        """Columns with levels."""
        return np.array([i for i, levels in enumerate(self.levels) if levels], dtype=np.intp)

    def take(self, rows: NDArray[np.intp]) -> "Records":
        """Some of the records, with their weights."""
        return replace(self, values=self.values[rows], weights=self.weights[rows] / self.weights[rows].sum())

    def sample(self, most: int, rng: np.random.Generator) -> "Records":
        """At most so many of the records, whatever their weights, which they keep."""
        return self if self.size <= most else self.take(rng.choice(self.size, most, replace=False))


def records(table: Table, columns: Sequence[str] | None = None, weights: str = "", where: str = "table") -> Records:
    """Read a table of people.

    Parameters
    ----------
    table
        A cohort, Dataset (subject) or (replicate, subject), or a DataFrame; columns of text, categories or booleans,
        and variables whose attribute ``levels`` names them, have levels.
    columns
        Which to compare; by default the covariates of a cohort, or every column but `weights`.
    weights
        Column of survey weights; empty when every record counts alike.
    where
        What to call it in a message.

    Raises
    ------
    PopulationError
        Naming a column that is not there, has missing values, or weights that cannot be.
    """
    frame, known = _frame(table)
    names = list(columns) if columns is not None else [n for n in known if n != weights]
    for name in [*names, *([weights] if weights else [])]:
        if name not in frame:
            raise PopulationError(f"{where}: has no column {name!r}; has {sorted(map(str, frame.columns))}")
        if (lacking := int(frame[name].isna().sum())) > 0:
            raise PopulationError(f"{where}.{name}: {lacking} values are missing; drop or impute these records first")
    if not names or not len(frame):
        raise PopulationError(f"{where}: got {len(frame)} records of {len(names)} columns, wanted one of each at least")
    levels = tuple(_levels(frame[name]) for name in names)
    values = np.column_stack([_codes(frame[n], lv, f"{where}.{n}") for n, lv in zip(names, levels, strict=True)])
    return Records(tuple(names), levels, values, _weights(frame, weights, where))


def alike(tables: Mapping[str, Table], columns: Sequence[str] | None = None, weights: str = "") -> tuple[Records, ...]:
    """Tables with the same columns and the same levels.

    Parameters
    ----------
    tables
        By what to call them in a message.
    columns
        Which to compare; by default those that all have, in the order of the first.
    weights
        Column of survey weights of the one called ``source``; empty for none.

    Raises
    ------
    PopulationError
        If a column has levels in some of them only, or they share none.
    """
    if columns is None:
        shared = set.intersection(*(set(_frame(table)[1]) for table in tables.values())) - {weights}
        columns = [name for name in _frame(next(iter(tables.values())))[1] if name in shared]
        if not columns:
            raise PopulationError(f"columns: {' and '.join(tables)} have no column in common; name them alike")
    read = [records(t, columns, weights if name == "source" else "", name) for name, t in tables.items()]
    both = [_common(name, [one.levels[i] for one in read]) for i, name in enumerate(columns)]
    return tuple(_recoded(one, both) for one in read)


def _common(name: str, levels: list[tuple[str, ...]]) -> tuple[str, ...]:
    if len({bool(own) for own in levels}) > 1:
        raise PopulationError(f"{name}: has levels in one table and numbers in another; write it alike in all")
    return tuple(sorted(set().union(*levels)))


def hold_out(source: pd.DataFrame, share: float = 0.5, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a table before a population is fitted to it, so that disclosure can be measured on people never used.

    Parameters
    ----------
    source
        One row a person.
    share
        Part to hold out, between 0 and 1.
    seed
        Decides who.

    Returns
    -------
    The part to fit and the part held out.
    """
    count = round(share * len(source))
    if not 0 < count < len(source):
        raise PopulationError(f"share: got {share!r} of {len(source)} records, wanted some on either side")
    order = generator(seed, Stream.QUALITY, 0).permutation(len(source))
    return source.iloc[np.sort(order[count:])], source.iloc[np.sort(order[:count])]


def _frame(table: Table) -> tuple[pd.DataFrame, list[str]]:
    """DataFrame and the columns one would compare."""
    if isinstance(table, pd.DataFrame):
        return table, [str(name) for name in table.columns]
    if not isinstance(table, xr.Dataset):
        raise PopulationError(f"table: got a {type(table).__name__}, wanted a Dataset of a cohort or a DataFrame")
    dims = tuple(d for d in ("replicate", "subject") if d in table.dims)
    held = {str(n): v for n, v in table.data_vars.items() if set(v.dims) == set(dims)}
    frame = pd.DataFrame({name: _plain(v.transpose(*dims)) for name, v in held.items()})
    covariates = [name for name, v in held.items() if v.attrs.get("role") == "covariate"]
    return frame, covariates or list(held)


def _plain(values: xr.DataArray) -> Any:
    levels = values.attrs.get("levels")
    flat = values.to_numpy().ravel()
    return flat if levels is None else np.asarray([str(v) for v in levels])[flat.astype(np.intp)]


def _levels(column: "pd.Series[Any]") -> tuple[str, ...]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return ()
    return tuple(sorted({str(v) for v in column.unique()}))


def _codes(column: "pd.Series[Any]", levels: tuple[str, ...], where: str) -> Array:
    if levels:
        place = {level: code for code, level in enumerate(levels)}
        return np.array([place[str(v)] for v in column], dtype=np.float64)
    found = column.to_numpy(dtype=np.float64)
    if not np.isfinite(found).all():
        raise PopulationError(f"{where}: got {found[~np.isfinite(found)][0]}, wanted finite numbers")
    return found


def _weights(frame: pd.DataFrame, name: str, where: str) -> Array:
    if not name:
        return np.full(len(frame), 1.0 / len(frame))
    found = frame[name].to_numpy(dtype=np.float64)
    if (found < 0).any() or not found.sum() > 0:
        raise PopulationError(
            f"{where}.{name}: got weights from {found.min():g} on, wanted numbers >= 0 that are not all 0"
        )
    return np.asarray(found / found.sum())


def _recoded(made: Records, levels: list[tuple[str, ...]]) -> Records:
    values = made.values.copy()
    for i, (own, whole) in enumerate(zip(made.levels, levels, strict=True)):
        if own:
            values[:, i] = np.array([whole.index(level) for level in own])[values[:, i].astype(np.intp)]
    return replace(made, levels=tuple(levels), values=values)
