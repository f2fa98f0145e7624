"""Joint distributions of covariates fitted to a table, its weights honoured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.covariates import fitting_copula, fitting_regression
from cohorts.covariates.copula import Copula
from cohorts.covariates.derived import Derived
from cohorts.covariates.regression import Regression
from cohorts.covariates.resampling import TableRows, resample
from cohorts.covariates.tables import Table, from_frame, load_table
from cohorts.errors import PopulationError

KINDS = ("copula", "regression")


def fit_covariates(
    table: str | Path | Table | pd.DataFrame,
    kind: str = "copula",
    columns: Mapping[str, str] | Sequence[str] | None = None,
    *,
    name: str = "covariates",
    weights: str | bool = True,
    where: object = None,
    derived: tuple[Derived, ...] = (),
    units: Mapping[str, str] | None = None,
    source: str = "",
    **options: Any,
) -> Copula | Regression:
    """Fit a joint distribution of covariates to a table.

    Parameters
    ----------
    table
        A name in ``conf/table``, the path of a YAML file that describes one, a `Table`, or a data frame.
    kind
        ``copula``: a Gaussian copula; ``regression``: each covariate regressed on those before it.
    columns
        Covariates and their columns, or a list of columns that keep their names; all of a data frame by default. For a
        regression their order is that in which they are drawn.
    name
        What the model is called.
    weights
        Whether the weights of a table count; for a data frame the name of its column of weights.
    where
        Criteria rows must meet, as under ``eligibility:`` of a population.
    derived
        Covariates that `where` may use; they are not fitted.
    units
        Units of the columns of a data frame that are numbers.
    source
        Where a data frame comes from.
    **options
        For a copula `margins`: covariate to ``normal`` or ``lognormal`` where the empirical margin is not wanted.
        For a regression `kinds`: covariate to ``linear`` where the default for positive values, ``loglinear``, is not
        wanted; `knots` (3), how many knots the linear spline of each predictor has; `interactions` (True), whether the
        terms of a predictor on a scale differ by the levels of those before.

    Returns
    -------
    Copula or Regression
        ``to_dict()`` of it is an entry of ``covariates:`` of a population. Rows that lack a column are left out.

    Raises
    ------
    PopulationError
        If a column is not there, no row is left, or the fit is impossible.
    """
    if kind not in KINDS:
        raise PopulationError(f"kind: got {kind!r}, wanted one of {list(KINDS)}")
    found = _table(table, weights, units or {}, source)
    listed = columns if columns is not None else list(found.columns)
    pairs = dict(listed) if isinstance(listed, Mapping) else {c: c for c in listed}
    for covariate, column in pairs.items():
        found.column(column, f"columns.{covariate}")
    rows = resample(name, found, pairs, derivations=derived, where=where, weighted=bool(weights), path=name)
    fit = fitting_copula.fit if kind == "copula" else fitting_regression.fit
    return fit(name, rows, mass(rows), f"Fitted to {found.name}: {found.source}", **options)


def mass(rows: TableRows) -> Any:
    """Weight of each row that may be drawn; they add up to 1."""
    return np.diff(rows.edges, prepend=0.0)


def _table(
    table: str | Path | Table | pd.DataFrame, weights: str | bool, units: Mapping[str, str], source: str
) -> Table:
    if isinstance(table, pd.DataFrame):
        if not source:
            raise PopulationError("source: missing; say where the data frame comes from")
        return from_frame(table, units=units, weights=weights if isinstance(weights, str) else "", source=source)
    if isinstance(weights, str):
        raise PopulationError(
            f"weights: got {weights!r}, wanted true or false: a table names its own column of weights"
        )
    return table if isinstance(table, Table) else load_table(table)
