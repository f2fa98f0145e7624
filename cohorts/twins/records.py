"""What has happened to one patient: doses, measurements and covariates; and what a model is asked about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData
from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array
from cohorts.twins.varying import Varying, beyond, covariate, joined, up_to

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, NDArray[Any]]
"""Columns of a table by name, all of one length."""

OBSERVATIONS: dict[str, tuple[type, Any]] = {
    "time": (float, None), "dv": (float, None), "output": (str, ""), "blq": (bool, False), "lloq": (float, np.nan),
    "occasion": (int, 0),
}  # fmt: skip
"""Columns of measurements: kind and default (None: wanted). Occasions count from 0; ``output`` "" is the only one."""

DOSES: dict[str, tuple[type, Any]] = {
    "time": (float, None), "amt": (float, None), "cmt": (str, ""), "rate": (float, 0.0), "ii": (float, 0.0),
    "addl": (int, 0), "ss": (int, 0), "evid": (int, 1), "occasion": (int, 0),
}  # fmt: skip
"""Columns of doses, as NONMEM has them, but for ``cmt``: the name of the state; "" is the model's first."""


class Course(NamedTuple):
    """What a model is asked about one patient.

    ``doses``: columns of `DOSES`, (dose). ``time``, ``output`` and ``occasion`` of each row that is wanted, (row).
    ``occasion`` of doses and rows is the column of the parameters that holds there. Where covariates change, an
    occasion falls into several such periods: ``starts`` (period) are the times at which the parameters change by
    themselves, the first minus infinity, and ``periods`` the columns that hold from then on.
    """

    doses: Columns
    time: Array
    output: NDArray[np.str_]
    occasion: NDArray[np.int64]
    starts: Array = np.empty(0)
    periods: NDArray[np.int64] = np.empty(0, dtype=np.int64)


class Predict(Protocol):
    """A model as a plain function of arrays: many parameter sets, each under the course of one of several patients."""

    def __call__(self, parameters: Mapping[str, Array], courses: Sequence[Course], which: NDArray[np.intp]) -> Array:
        """Model values, (lane, row), NaN beyond a course's rows and where the model cannot be solved.

        Parameters
        ----------
        parameters
            Individual parameters by name, (lane), or (lane, period) where they change between occasions or with a
            covariate.
        courses
            Doses and rows of each patient.
        which
            Course of each lane, (lane).

        Notes
        -----
        Two attributes are used where there are any: ``units``, from the names of outputs (and ``time``) to their units,
        which forecasts then carry; and ``prepared``, from courses to a function of parameters and `which` alone, which
        saves work where the same courses are asked for again and again.
        """


@dataclass(frozen=True, slots=True, eq=False)
class PatientRecord:
    """Doses, measurements and covariates of one patient.

    Attributes
    ----------
    observations
        Columns ``time`` and ``dv``; optional ``output``, ``blq`` (below the limit ``lloq``), ``lloq``, ``occasion``. A
        Dataset, a frame or a mapping of columns; kept as a mapping, in order of time.
    doses
        NONMEM's columns ``time`` and ``amt``; optional ``cmt`` (name of the state), ``rate``, ``ii``, ``addl``, ``ss``,
        ``evid``, ``occasion`` (by default that of the next measurement). The same kinds as observations.
    covariates
        A number or the name of a level each; of one that changes, columns ``time`` and ``value``: each value holds from
        its time to the next, the first before it too.
    name
        What the patient is called.
    start
        Date of time 0, where it is known.

    Raises
    ------
    PopulationError
        Naming a column that is missing, unknown or holds what it may not.
    """

    observations: Any
    doses: Any
    covariates: Mapping[str, Any]
    name: str = "patient"
    start: datetime | None = None

    def __post_init__(self) -> None:
        """Bring both tables into one form."""
        untold = self.doses is None or "occasion" not in self.doses
        for field, known in (("observations", OBSERVATIONS), ("doses", DOSES)):
            object.__setattr__(self, field, _table(f"{self.name}: {field}", getattr(self, field), known))
        if untold:
            object.__setattr__(self, "doses", MappingProxyType({**self.doses, "occasion": _occasions(self)}))
        about = {n: covariate(f"{self.name}: covariates.{n}", v) for n, v in self.covariates.items()}
        object.__setattr__(self, "covariates", MappingProxyType(about))
        _check(self)

    @property
    def end(self) -> float:
        """Time of the last dose or measurement."""
        times = [*self.observations["time"], *self.doses["time"]]
        return float(max(times, default=0.0))

    def joined(self, later: "PatientRecord") -> "PatientRecord":
        """Both records as one; covariates of the later one count, and are added where one changes with time."""
        both = {
            field: {n: np.concatenate([v, getattr(later, field)[n]]) for n, v in getattr(self, field).items()}
            for field in ("observations", "doses")
        }
        about = joined(self.covariates, later.covariates)
        return PatientRecord(**both, covariates=about, name=self.name, start=self.start)

    def until(self, time: float) -> "PatientRecord":
        """What was known at a time: doses, measurements and covariates up to it."""
        return replace(self._rows(lambda when: when <= time), covariates=up_to(self.covariates, time))

    def after(self, time: float) -> "PatientRecord":
        """What came to be known after a time."""
        return replace(self._rows(lambda when: when > time), covariates=beyond(self.covariates, time))

    def _rows(self, wanted: Any) -> "PatientRecord":
        kept: dict[str, Any] = {
            field: {n: v[wanted(table["time"])] for n, v in table.items()}
            for field, table in (("observations", self.observations), ("doses", self.doses))
        }
        return replace(self, **kept)

    def to_nonmem(self) -> "pd.DataFrame":
        """The record as a NONMEM data set: ``ID``, ``TIME``, ``AMT``, ``EVID``, ``DV`` ... and the covariates.

        A measurement at the time of a dose stands before it. A covariate that changes has on each row the value that
        holds from its time on, which a run of NONMEM must be told: by default it lets a value hold up to its row.
        """
        import pandas as pd

        seen, doses = self.observations, self.doses
        rows = pd.concat([
            pd.DataFrame({"TIME": seen["time"], "DV": np.where(seen["blq"], seen["lloq"], seen["dv"]), "EVID": 0,
                          "DVID": seen["output"], "BLQ": seen["blq"].astype(int)}),
            pd.DataFrame({n.upper(): doses[n] for n in ("time", "amt", "cmt", "rate", "ii", "addl", "ss", "evid")}),
        ])  # fmt: skip
        rows = rows.sort_values("TIME", kind="stable", ignore_index=True)
        when = rows["TIME"].tolist()
        about = {n: [v.at(t) for t in when] if isinstance(v, Varying) else v for n, v in self.covariates.items()}
        rows = rows.assign(**about)
        rows.insert(0, "ID", self.name)
        return rows.assign(MDV=(rows["EVID"] != 0).astype(int))

    @property
    def changing(self) -> list[str]:
        """Names of the covariates that change with time."""
        return [n for n, v in self.covariates.items() if isinstance(v, Varying)]

    @property
    def data(self) -> IndividualData:
        """The measurements as a population's fit takes them, the patient its only subject.

        Raises
        ------
        PopulationError
            If a covariate changes with time, which a fit does not know.
        """
        if self.changing:
            raise PopulationError(f"{self.name}: covariates: {self.changing} change with time, wanted one value each")
        return individual_data_of([self])


def individual_data_of(records: Sequence[PatientRecord]) -> IndividualData:
    """Measurements and covariates of several patients as a population's fit takes them."""
    names = alike(records)
    counts = [len(r.observations["time"]) for r in records]
    seen = {n: np.concatenate([r.observations[n] for r in records]) for n in OBSERVATIONS}
    if not np.any(seen["output"] != ""):
        del seen["output"]
    seen["subject"] = np.repeat(np.arange(len(records)), counts)
    columns = {n: ("subject", np.array([r.covariates[n] for r in records])) for n in names}
    return IndividualData(
        xr.Dataset({n: ("observation", v) for n, v in seen.items()}),
        xr.Dataset(columns, {"subject": np.arange(len(records))}),
    )


def alike(records: Sequence[PatientRecord]) -> list[str]:
    """Names of the covariates, which all patients have.

    Raises
    ------
    PopulationError
        If one does not.
    """
    names = list(records[0].covariates)
    for r in records:
        if set(r.covariates) != set(names):
            raise PopulationError(f"{r.name}: covariates: got {sorted(r.covariates)}, wanted {sorted(names)}")
    return names


def _table(where: str, given: Any, known: Mapping[str, tuple[type, Any]]) -> Columns:
    columns = _columns(where, given)
    if unknown := sorted(set(columns) - set(known)):
        raise PopulationError(f"{where}: got the columns {unknown}, known are {list(known)}")
    count = max((np.size(v) for v in columns.values()), default=0)
    made = {}
    for name, (kind, default) in known.items():
        if name not in columns and default is None and count:
            raise PopulationError(f"{where}: lacks column {name!r}; has {sorted(columns)}")
        made[name] = _column(f"{where}.{name}", columns.get(name, default), kind, count)
    order = np.argsort(made["time"], kind="stable")
    return MappingProxyType({name: values[order] for name, values in made.items()})


def _columns(where: str, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, xr.Dataset):
        return {str(n): v.to_numpy() for n, v in given.data_vars.items()}
    if not hasattr(given, "items"):
        raise PopulationError(
            f"{where}: got a {type(given).__name__}, wanted a Dataset, a frame or a mapping of columns"
        )
    return {str(n): np.asarray(v) for n, v in given.items()}


def _column(where: str, values: Any, kind: type, count: int) -> NDArray[Any]:
    try:
        found = np.asarray(values if values is not None else [], dtype=np.str_ if kind is str else kind)
    except (TypeError, ValueError) as error:
        raise PopulationError(f"{where}: got {values!r:.80}, wanted {kind.__name__} values") from error
    if found.ndim > 1 or found.size not in (1, count):
        raise PopulationError(f"{where}: got the shape {found.shape}, wanted ({count},)")
    return found.copy() if found.shape == (count,) else np.full(count, found, dtype=found.dtype)


def _occasions(record: PatientRecord) -> NDArray[np.int64]:
    """Occasion of each dose where none is told: that of the next measurement, after the last one that of it."""
    seen = record.observations
    if not len(seen["time"]):
        return np.zeros(len(record.doses["time"]), dtype=np.int64)
    place = np.searchsorted(seen["time"], record.doses["time"], side="right")
    return np.asarray(seen["occasion"][np.minimum(place, len(seen["time"]) - 1)], dtype=np.int64)


def _check(record: PatientRecord) -> None:
    seen, doses, who = record.observations, record.doses, record.name
    for table, name in ((seen, "time"), (doses, "time"), (doses, "amt")):
        if not np.isfinite(table[name]).all():
            raise PopulationError(f"{who}: {name}: got {table[name]}, wanted finite numbers")
    below = seen["blq"]
    if not np.isfinite(seen["dv"][~below]).all():
        raise PopulationError(f"{who}: observations.dv: got {seen['dv']}, wanted finite numbers where blq is not set")
    if not np.isfinite(seen["lloq"][below]).all():
        raise PopulationError(f"{who}: observations.lloq: got {seen['lloq']}, wanted a limit where blq is set")
    if (seen["occasion"] < 0).any():
        raise PopulationError(f"{who}: observations.occasion: got {seen['occasion']}, wanted whole numbers >= 0")
