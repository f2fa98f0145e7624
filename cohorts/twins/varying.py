"""Covariates of a patient that change while they are treated, such as kidney function: each holds until the next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData, covariate_values
from cohorts.errors import PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

type Level = float | str


@dataclass(frozen=True, slots=True)
class Varying:
    """A covariate measured several times. The first value holds before it too, each other one from its time on.

    Attributes
    ----------
    times
        When it was measured, on the record's clock, ascending.
    values
        A number or the name of a level each.
    """

    times: tuple[float, ...]
    values: tuple[Level, ...]

    def __str__(self) -> str:
        """The values with their times, such as ``80 at 0, 55 at 24``."""
        said = [f"{v:.4g}" if isinstance(v, float) else v for v in self.values]
        return ", ".join(f"{v} at {t:g}" for v, t in zip(said, self.times, strict=True))

    def at(self, time: float) -> Level:
        """Value that holds at a time."""
        return self.values[max(int(np.searchsorted(self.times, time, side="right")) - 1, 0)]

    def between(self, low: float, high: float) -> "Varying | None":
        """What was measured after `low` and up to `high`; None for nothing."""
        kept = [(t, v) for t, v in zip(self.times, self.values, strict=True) if low < t <= high]
        return Varying(*(tuple(column) for column in zip(*kept, strict=True))) if kept else None

    def joined(self, later: "Varying") -> "Varying":
        """Both; of two values at one time the later one counts."""
        both = dict(zip(self.times, self.values, strict=True)) | dict(zip(later.times, later.values, strict=True))
        times = sorted(both)
        return Varying(tuple(times), tuple(both[t] for t in times))


def covariate(where: str, given: Any) -> Level | Varying:
    """A covariate as a record holds it: a number, the name of a level, or either at several times.

    Parameters
    ----------
    where
        Name of the field, for messages.
    given
        The value; `Varying`; or a mapping (frame, Dataset) with columns ``time`` and ``value``.

    Raises
    ------
    PopulationError
        If times and values do not belong together, or a time comes twice.
    """
    if isinstance(given, Varying | str):
        return given
    if not hasattr(given, "keys"):
        return _number(where, given)
    if set(given) != {"time", "value"}:
        raise PopulationError(f"{where}: got the columns {sorted(map(str, given))}, wanted time and value")
    times, values = np.asarray(given["time"], dtype=np.float64), np.asarray(given["value"]).tolist()
    if times.ndim != 1 or len(times) != len(values) or not len(times) or not np.isfinite(times).all():
        raise PopulationError(f"{where}: got times {times.tolist()} and values {values}, wanted as many of each")
    order = np.argsort(times, kind="stable")
    if (np.diff(times[order]) == 0.0).any():
        raise PopulationError(f"{where}: got two values at one time, in {times.tolist()}")
    found = [values[i] if isinstance(values[i], str) else _number(where, values[i]) for i in order]
    return Varying(tuple(times[order].tolist()), tuple(found))


def _number(where: str, given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        wanted = "a number, the name of a level, or columns time and value"
        raise PopulationError(f"{where}: got {given!r}, wanted {wanted}") from error


def joined(earlier: Mapping[str, Level | Varying], later: Mapping[str, Level | Varying]) -> dict[str, Level | Varying]:
    """Covariates of two records: later measurements of one that varies are added, anything else is replaced."""
    made = {**earlier, **later}
    for name in set(earlier) & set(later):
        one, other = earlier[name], later[name]
        if isinstance(one, Varying) and isinstance(other, Varying):
            made[name] = one.joined(other)
    return made


def up_to(covariates: Mapping[str, Level | Varying], time: float) -> dict[str, Level | Varying]:
    """Covariates as they were known at a time; of one not measured by then, its first value."""
    return {
        n: v if not isinstance(v, Varying) else v.between(-np.inf, time) or Varying(v.times[:1], v.values[:1])
        for n, v in covariates.items()
    }


def beyond(covariates: Mapping[str, Level | Varying], time: float) -> dict[str, Level | Varying]:
    """Covariates as they came to be known after a time."""
    found = {n: v.between(time, np.inf) if isinstance(v, Varying) else v for n, v in covariates.items()}
    return {n: v for n, v in found.items() if v is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Spells:
    """Covariates of several patients, and the times at which they change.

    Attributes
    ----------
    values
        Numbers or codes by name, (patient), or (patient, spell) for those that change in some patient.
    breaks
        Times at which a spell of each patient ends and the next begins, ascending, (patient) of (break).
    """

    values: Mapping[str, NDArray[Any]]
    breaks: tuple[Array, ...]

    @property
    def count(self) -> int:
        """Most spells a patient has."""
        return 1 + max((len(b) for b in self.breaks), default=0)


def spells(population: Population, covariates: Sequence[Mapping[str, Level | Varying]], names: Sequence[str]) -> Spells:
    """Covariates that the population's effects need, spell by spell.

    Parameters
    ----------
    population
        Says which covariates matter; changes of others are passed over.
    covariates
        Of each patient.
    names
        What the patients are called.
    """
    needed = {e.covariate for p in population.parameters for e in p.effects}
    columns = {n for v in population.variables if v.name in needed for n in (v.name, v.column)}
    breaks = [_breaks(v for n, v in own.items() if n in columns and isinstance(v, Varying)) for own in covariates]
    count = 1 + max((len(b) for b in breaks), default=0)
    rows = [_held(own, b, i) for own, b in zip(covariates, breaks, strict=True) for i in range(count)]
    found = covariate_values(population, _table(rows, [n for n in names for _ in range(count)]))
    shaped = {n: v.reshape(len(covariates), count) for n, v in found.items()}
    constant = {n: bool(np.all(v == v[:, :1])) for n, v in shaped.items()}
    return Spells({n: v[:, 0] if constant[n] else v for n, v in shaped.items()}, tuple(breaks))


def _breaks(varying: Iterable[Varying]) -> Array:
    """Times after the first of each covariate: there a value may change."""
    return np.unique(np.array([t for v in varying for t in v.times[1:]], dtype=np.float64))


def _held(covariates: Mapping[str, Level | Varying], breaks: Array, spell: int) -> dict[str, Level]:
    """Value of each covariate in a spell; a patient's last spell goes on."""
    last = min(spell, len(breaks))
    time = float(breaks[last - 1]) if last else -np.inf
    return {n: v.at(time) if isinstance(v, Varying) else v for n, v in covariates.items()}


def _table(rows: Sequence[Mapping[str, Level]], names: Sequence[str]) -> IndividualData:
    columns = {n: ("subject", np.array([row[n] for row in rows])) for n in (rows[0] if rows else {})}
    nothing = xr.Dataset({n: ("observation", np.empty(0)) for n in ("subject", "time", "dv")})
    return IndividualData(nothing, xr.Dataset(columns, {"subject": list(names)}))
