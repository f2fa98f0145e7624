"""Measurements of individual people, as a population is fitted to them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.covariates.base import Variable
from cohorts.errors import PopulationError
from cohorts.specification.population import Population

_NEEDED = ("subject", "time", "dv")
_OPTIONAL = ("output", "occasion", "blq", "lloq")


@dataclass(frozen=True, slots=True, eq=False)
class IndividualData:
    """Observations and covariates of several people. Anything with the same two attributes will do in its place.

    Attributes
    ----------
    observations
        Dataset (observation) with ``subject`` (an id), ``time`` and ``dv``, the measured value. Further columns it may
        have: ``output`` (what was observed, as the population names it; needed where it names several), ``occasion``
        (a whole number from 0), ``blq`` (1 where the value lies below the limit of quantification, whatever ``dv``
        says, else 0) with ``lloq`` (the limit).
    covariates
        Dataset (subject), its coordinate the ids; one variable a covariate. ``site`` and ``study`` tell where and in
        which study a person was seen.
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
    def occasion(self) -> NDArray[np.int64]:
        """Occasion of each observation; 0 where the data tell none apart."""
        if "occasion" not in self.observations:
            return np.zeros(self.observations.sizes["observation"], dtype=np.int64)
        return np.asarray(self.observations["occasion"].values).astype(np.int64)

    @property
    def occasions(self) -> int:
        """Number of occasions that the data tell apart."""
        return int(self.occasion.max()) + 1

    @property
    def below(self) -> NDArray[np.bool_]:
        """Which observations lie below their limit of quantification."""
        if "blq" not in self.observations:
            return np.zeros(self.observations.sizes["observation"], dtype=np.bool_)
        return np.asarray(self.observations["blq"].values == 1, dtype=np.bool_)

    def places(self, kind: str) -> tuple[list[str], NDArray[np.intp]]:
        """Names of the sites or studies, and for each person the position of theirs among them.

        Raises
        ------
        PopulationError
            If the data do not tell.
        """
        if kind not in self.covariates:
            has = sorted(map(str, self.covariates.data_vars))
            raise PopulationError(f"data.covariates: lacks {kind!r}, wanted for between_{kind}; has {has}")
        names, index = np.unique(_words(self.covariates[kind].values.tolist()), return_inverse=True)
        return names.tolist(), np.asarray(index, dtype=np.intp)

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
        told = (*_NEEDED, *(name for name in _OPTIONAL if name in self.observations))
        seen = [(name, self.observations[name].values) for name in told]
        return [*seen, *((str(n), self.covariates[n].values) for n in sorted(map(str, self.covariates.data_vars)))]


def individual_data(data: Any) -> IndividualData:
    """Observations and covariates out of anything that has them, checked.

    Raises
    ------
    PopulationError
        Naming what is missing, unknown or not a number.
    """
    made = IndividualData(_table(data, "observations"), _table(data, "covariates"))
    for name in _NEEDED:
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
        raise PopulationError(
            f"data: wanted a Dataset {name} on it, got a {type(data).__name__} without; IndividualData has it, and a "
            "NONMEM table once it is read"
        )
    return part


def _check_values(data: IndividualData) -> None:
    ids = data.observations["subject"].values.tolist()
    if not ids:
        raise PopulationError("data.observations: empty; nothing to fit")
    if unknown := sorted(set(ids) - set(data.subjects.tolist())):
        raise PopulationError(
            f"data.observations.subject: got {unknown[:5]}, not among the subjects of data.covariates"
        )
    _check_censoring(data)
    dv = np.where(data.below, 0.0, np.asarray(data.observations["dv"].values, dtype=np.float64))
    _refuse(~np.isfinite(dv), "dv", data, "a finite number")
    if "occasion" in data.observations:
        occasion = np.asarray(data.observations["occasion"].values, dtype=np.float64)
        _refuse(~((occasion >= 0) & (occasion == np.round(occasion))), "occasion", data, "a whole number >= 0")


def _check_censoring(data: IndividualData) -> None:
    if "blq" not in data.observations:
        return
    flags = np.asarray(data.observations["blq"].values, dtype=np.float64)
    _refuse(~np.isin(flags, (0.0, 1.0)), "blq", data, "0 or 1")
    if not data.below.any():
        return
    if "lloq" not in data.observations:
        raise PopulationError("data.observations: lacks column 'lloq', wanted where blq is 1")
    limit = np.asarray(data.observations["lloq"].values, dtype=np.float64)
    _refuse(data.below & ~np.isfinite(limit), "lloq", data, "a finite number where blq is 1")


def _refuse(wrong: NDArray[np.bool_], name: str, data: IndividualData, wanted: str) -> None:
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        got = data.observations[name].values[first]
        raise PopulationError(f"data.observations.{name}: got {got} at observation {first}, wanted {wanted}")


def covariate_values(population: Population, data: IndividualData) -> dict[str, NDArray[Any]]:
    """Covariates that the population's effects need, (subject): numbers, or codes of levels.

    Raises
    ------
    PopulationError
        Naming a covariate the data lack, or a value that is none of its levels.
    """
    needed = {e.covariate for p in population.parameters for e in p.effects}
    return {v.name: _column(v, data.covariates) for v in population.variables if v.name in needed}


def _column(variable: Variable, table: xr.Dataset) -> NDArray[Any]:
    names = [n for n in (variable.name, variable.column) if n and n in table]
    if not names:
        column = f" (or column {variable.column!r})" if variable.column else ""
        has = sorted(map(str, table.data_vars))
        raise PopulationError(f"data.covariates: lacks {variable.name!r}{column}; has {has}")
    values = table[names[0]].values
    if variable.levels:
        return _codes(variable, values.tolist())
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        who = table["subject"].values[~np.isfinite(numbers)].tolist()
        raise PopulationError(f"data.covariates.{names[0]}: missing for subjects {who}")
    return numbers


def _codes(variable: Variable, values: Sequence[Any]) -> NDArray[np.int64]:
    written = _words(values)
    if unknown := sorted(set(written) - set(variable.levels)):
        raise PopulationError(f"data.covariates.{variable.name}: got {unknown}, wanted one of {list(variable.levels)}")
    return np.array([variable.levels.index(w) for w in written], dtype=np.int64)


def _words(values: Sequence[Any]) -> list[str]:
    return [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
