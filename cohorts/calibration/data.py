"""Measurements of individual people, as a population is fitted to them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.covariates.given import Categorical, Covariate
from cohorts.errors import PopulationError
from cohorts.specification.population import Population


@dataclass(frozen=True, slots=True, eq=False)
class IndividualData:
    """Observations and covariates of several people. Anything with the same two attributes will do in its place.

    Attributes
    ----------
    observations
        Dataset (observation) with ``subject`` (an id), ``time`` and ``dv``, the measured value.
    covariates
        Dataset (subject), its coordinate the ids; one variable a covariate.
    """

    observations: xr.Dataset
    covariates: xr.Dataset

    @property
    def subjects(self) -> NDArray[Any]:
        """Ids of the people, in the order in which `predict` gets their parameters."""
        return np.asarray(self.covariates["subject"].values)

    @property
    def position(self) -> NDArray[np.intp]:
        """For each observation the position of its person in `subjects`."""
        where = {s: i for i, s in enumerate(self.subjects.tolist())}
        return np.array([where[s] for s in self.observations["subject"].values.tolist()], dtype=np.intp)

    @property
    def digest(self) -> str:
        """SHA-256 of every number that can enter a fit."""
        made = hashlib.sha256()
        for name, values in self._arrays():
            text = values.dtype.kind not in "fiub"
            plain = values.astype("U") if text else np.ascontiguousarray(values, dtype="<f8")
            made.update(name.encode() + b"\0" + (str(plain.tolist()).encode() if text else plain.tobytes()))
        return made.hexdigest()

    def _arrays(self) -> list[tuple[str, NDArray[Any]]]:
        seen = [(name, self.observations[name].values) for name in ("subject", "time", "dv")]
        return [*seen, *((str(n), self.covariates[n].values) for n in sorted(map(str, self.covariates.data_vars)))]


def individual_data(data: Any) -> IndividualData:
    """Observations and covariates out of anything that has them, checked.

    Raises
    ------
    PopulationError
        Naming what is missing, unknown or not a number.
    """
    made = IndividualData(_table(data, "observations"), _table(data, "covariates"))
    for name in ("subject", "time", "dv"):
        if name not in made.observations.variables:
            raise PopulationError(
                f"data.observations: lacks column {name!r}; has {sorted(map(str, made.observations))}"
            )
    if "subject" not in made.covariates.coords:
        raise PopulationError("data.covariates: wanted a coordinate subject with the ids")
    _check_values(made)
    return made


def _table(data: Any, name: str) -> xr.Dataset:
    part = getattr(data, name, None)
    if not isinstance(part, xr.Dataset):
        raise PopulationError(f"data: wanted a Dataset {name} on it, got a {type(data).__name__} without")
    return part


def _check_values(data: IndividualData) -> None:
    ids = data.observations["subject"].values.tolist()
    if not ids:
        raise PopulationError("data.observations: empty; nothing to fit")
    if unknown := sorted(set(ids) - set(data.subjects.tolist())):
        raise PopulationError(
            f"data.observations.subject: got {unknown[:5]}, not among the subjects of data.covariates"
        )
    dv = np.asarray(data.observations["dv"].values, dtype=np.float64)
    if not np.isfinite(dv).all():
        first = int(np.flatnonzero(~np.isfinite(dv))[0])
        raise PopulationError(f"data.observations.dv: got {dv[first]} at observation {first}, wanted a finite number")


def covariate_values(population: Population, data: IndividualData) -> dict[str, NDArray[Any]]:
    """Covariates that the population's effects need, (subject): numbers, or codes of levels.

    Raises
    ------
    PopulationError
        Naming a covariate the data lack, or a value that is none of its levels.
    """
    needed = {e.covariate for p in population.parameters for e in p.effects}
    return {c.name: _column(c, data.covariates) for c in population.covariates if c.name in needed}


def _column(covariate: Covariate, table: xr.Dataset) -> NDArray[Any]:
    names = [n for n in (covariate.name, covariate.column) if n and n in table]
    if not names:
        column = f" (or column {covariate.column!r})" if covariate.column else ""
        has = sorted(map(str, table.data_vars))
        raise PopulationError(f"data.covariates: lacks {covariate.name!r}{column}; has {has}")
    values = table[names[0]].values
    if isinstance(covariate, Categorical):
        return _codes(covariate, values.tolist())
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        who = table["subject"].values[~np.isfinite(numbers)].tolist()
        raise PopulationError(f"data.covariates.{names[0]}: missing for subjects {who}")
    return numbers


def _codes(covariate: Categorical, values: Sequence[Any]) -> NDArray[np.int64]:
    written = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    if unknown := sorted(set(written) - set(covariate.levels)):
        raise PopulationError(
            f"data.covariates.{covariate.name}: got {unknown}, wanted one of {list(covariate.levels)}"
        )
    return np.array([covariate.levels.index(w) for w in written], dtype=np.int64)
