"""Twins of patients under a model of ours: the equations as `cohorts` takes them, and records out of NONMEM tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cohorts
import engine
from cohorts.twins.records import OBSERVATIONS, Course, PatientRecord
from engine.dosing.events import EventTable, from_records
from engine.simulation import simulate_arrays
from engine.solvers.base import Solver
from trials.errors import TrialError

if TYPE_CHECKING:
    import xarray as xr

    from cohorts.twins.patient import Twin, TwinCohort

type Bundle = str | Path | Mapping[str, Any]
type Floats = NDArray[np.float64]
type Index = NDArray[np.intp]

OTHER = 2
"""NONMEM's EVID of a record at which nothing is given or measured."""


@dataclass(frozen=True, slots=True)
class Equations:
    """A model as a plain function of arrays (`cohorts.twins.records.Predict`), and as a graph for `Population.build`.

    Attributes
    ----------
    model
        The equations.
    solver
        Name of a file in ``conf/solver``, or a solver.
    before_dose
        Whether a value at the time of a dose is the one before it (a trough).
    """

    model: engine.Model
    solver: str | Solver = "auto"
    before_dose: bool = True

    @property
    def units(self) -> dict[str, str]:
        """Units of the outputs, and of ``time``."""
        return self.model.units

    def __call__(self, parameters: Mapping[str, Floats], courses: Sequence[Course], which: Index) -> Floats:
        """Values of each lane's rows, (lane, row); NaN where there is none or the model cannot be solved."""
        used, lane = np.unique(which, return_inverse=True)
        return self.prepared([courses[i] for i in used])(parameters, lane)

    def prepared(self, courses: Sequence[Course]) -> Prepared:
        """The equations for these courses, whose doses and rows are laid out once."""
        width = max((len(c.time) for c in courses), default=0)
        changes = any(len(np.unique(np.concatenate([c.occasion, c.doses["occasion"], c.periods]))) > 1 for c in courses)
        whole, period = self._records(courses, changes=changes) if width else (None, np.empty(0, dtype=np.int64))
        return Prepared(self, whole, period, *self._rows(courses, width))

    def names(self, parameters: Mapping[str, Floats]) -> list[str]:
        """Names of the model's parameters, all of which must be there."""
        if missing := [name for name in self.model.parameter_names if name not in parameters]:
            raise TrialError(f"population: lacks the parameters {missing} of model {self.model.name}")
        return list(self.model.parameter_names)

    def _rows(self, courses: Sequence[Course], width: int) -> tuple[Floats, Index, Index]:
        """Times in order, (course, row), NaN beyond the last; number of each one's output; place of each row there."""
        times = np.full((len(courses), width), np.nan)
        output, back = (np.full(times.shape, -1, dtype=np.intp) for _ in range(2))
        known = {name: i for i, name in enumerate(self.model.output_names)}
        for i, course in enumerate(courses):
            order = np.argsort(course.time, kind="stable")
            count = len(order)
            if unknown := sorted(set(course.output.tolist()) - set(known)):
                raise TrialError(
                    f"output: got {unknown[0]!r}, wants one of {', '.join(known)} of model {self.model.name}"
                )
            times[i, :count] = course.time[order]
            output[i, :count] = [known[str(name)] for name in course.output[order]]
            back[i] = np.arange(width)
            back[i, order] = np.arange(count)
        return times, output, back

    def _records(self, courses: Sequence[Course], *, changes: bool) -> tuple[EventTable, NDArray[np.int64]]:
        """Doses of each course, a record at its start and, where parameters change, where they do; periods of all."""
        parts = [_course_records(self.model, i, c, changes=changes) for i, c in enumerate(courses)]
        columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        period = columns.pop("occasion")
        given = {n: v for n, v in columns.items() if n not in ("subject", "time")}
        table = from_records(
            np.arange(len(courses)), columns["subject"], columns["time"], compartments=self.model.state_names,
            columns={"_occasion": period}, **given,
        )  # fmt: skip
        return replace(table, columns={}), table.columns["_occasion"].astype(np.int64)

    def graph(self, record: PatientRecord, rows: xr.Dataset) -> Any:
        """The equations for one patient as `Population.build` takes them; `rows` are those of `cohorts.requests`."""
        from engine.gradients.graph import prediction

        doses, place = self._history(record, rows["time"].to_numpy())
        asked = rows.assign(record=("row", place))
        return prediction(self.model, doses, asked, subjects=[0], solver=self.solver, carry="forward")

    def _history(self, record: PatientRecord, asked: Floats) -> tuple[xr.Dataset, Floats]:
        """Doses, additional ones written out, and the place of each row `asked` for among all that happens."""
        import xarray as xr

        given = record.doses
        each = given["addl"] + 1
        doses = {n: np.repeat(v, each) for n, v in given.items() if n != "addl"}
        step = np.concatenate([np.arange(n) for n in each]) if len(each) else np.empty(0)
        doses["time"] = doses["time"] + step * doses["ii"]
        doses["ss"] = np.where(step == 0, doses["ss"], 0)
        doses["cmt"] = np.array([_state(self.model, str(c)) for c in doses["cmt"]], dtype=np.int64)
        time = np.concatenate([asked, doses["time"]])
        first = np.repeat([0, 1] if self.before_dose else [1, 0], [len(asked), len(doses["time"])])
        place = np.empty(len(time))
        place[np.lexsort((first, time))] = np.arange(len(time))
        known = {**doses, "subject": np.zeros(len(doses["time"]), dtype=np.int64), "record": place[len(asked) :]}
        return xr.Dataset({n: ("dose", v) for n, v in known.items()}), place[: len(asked)]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The equations for known courses, a plain function of parameters.

    Attributes
    ----------
    equations
        What they are.
    records, period
        Doses and halts of all courses, and the period of the parameters that each record opens; none without rows.
    times, output, back
        Times of each course's rows in order, (course, row); the output of each; the place of each row among them.
    """

    equations: Equations
    records: EventTable | None
    period: NDArray[np.int64]
    times: Floats
    output: Index
    back: Index

    def __call__(self, parameters: Mapping[str, Floats], lane: Index) -> Floats:
        """Values of each lane's rows, (lane, row), under course `lane` (lane)."""
        if self.records is None:
            return np.empty((len(lane), 0))
        alone, own = len(self.times) == 1, self.equations
        values = {name: parameters[name] for name in own.names(parameters)}
        table, values = self._table(self.records, lane, values, alone=alone)
        found = simulate_arrays(
            own.model, values, table, self.times[0] if alone else self.times[lane], solver=own.solver,
            before_dose=own.before_dose, carry="forward",
        )  # fmt: skip
        stacked = np.stack([found.outputs[name] for name in own.model.output_names], axis=-1)
        output = self.output[lane]
        rows = np.take_along_axis(stacked, np.maximum(output, 0)[..., None], axis=2)[..., 0]
        return np.take_along_axis(np.where(output >= 0, rows, np.nan), self.back[lane], axis=1)

    def _table(
        self, records: EventTable, lane: Index, values: Mapping[str, Floats], *, alone: bool
    ) -> tuple[EventTable, dict[str, Floats]]:
        """Doses of each lane, or of all lanes; parameters that change between periods become its columns."""
        changing = {name: v for name, v in values.items() if v.ndim == 2}
        if not changing:
            return (records if alone else records.take(lane)), dict(values)
        whole = replace(records, columns={"_occasion": self.period.astype(np.float64)}).take(lane)
        period = whole.columns["_occasion"].astype(np.intp)
        columns = {name: v[whole.subject, period] for name, v in changing.items()}
        return replace(whole, columns=columns), {name: v for name, v in values.items() if v.ndim == 1}


def _state(model: engine.Model, name: str) -> int:
    """Number, from 1, of a state; of the first for no name."""
    if name and name not in model.state_names:
        raise TrialError(f"doses.cmt: got {name!r}, wants one of the states {', '.join(model.state_names)}")
    return model.state_names.index(name) + 1 if name else 1


def _course_records(model: engine.Model, number: int, course: Course, *, changes: bool) -> dict[str, NDArray[Any]]:
    doses = course.doses
    begin = min([0.0, *course.time.tolist(), *doses["time"].tolist()])
    first = doses["occasion"] if len(doses["time"]) else course.occasion
    early = course.periods[0] if len(course.periods) else first[0]
    later = course.starts > begin
    stops = np.array([begin, *(course.starts[later] if changes else ()), *(course.time if changes else ())])
    periods = [early, *(course.periods[later] if changes else ()), *(course.occasion if changes else ())]
    count = len(stops)
    halts = {"time": stops, "evid": np.full(count, OTHER), "cmt": np.ones(count, dtype=np.int64)}
    halts["occasion"] = np.array(periods, dtype=np.int64)
    given = {**doses, "cmt": np.array([_state(model, str(c)) for c in doses["cmt"]], dtype=np.int64)}
    names = ("time", "evid", "cmt", "amt", "rate", "ii", "addl", "ss", "occasion")
    made = {
        name: np.concatenate([halts.get(name, np.zeros(count, dtype=given[name].dtype)), given[name]]) for name in names
    }
    return {"subject": np.full(len(made["time"]), number, dtype=np.int64), **made}


def twin(
    model: engine.Model | str, population: cohorts.Population | str, record: PatientRecord | Bundle, *, seed: int,
    codes: Any = None, solver: str | Solver = "auto", **options: Any,
) -> Twin:  # fmt: skip
    """The digital twin of one patient under a model.

    Parameters
    ----------
    model, population
        Themselves, or the names of files in ``conf/model`` and ``conf/population``.
    record
        The patient: from `cohorts.read_fhir`, `records` or `cohorts.PatientRecord`; or a FHIR bundle of one patient.
    seed
        Non-negative whole number.
    codes
        What the codes of a bundle mean, as `cohorts.read_fhir` takes it.
    solver
        Name of a file in ``conf/solver``, or a solver.
    **options
        As `cohorts.twin` takes them.
    """
    equations, people = _ready(model, population, solver)
    if not isinstance(record, PatientRecord):
        record = _only(record, codes)
    return cohorts.twin(people, record, equations, seed=seed, graph=equations.graph, **options)


def _only(bundle: Bundle, codes: Any) -> PatientRecord:
    if codes is None:
        raise TrialError("codes: missing; a FHIR bundle is read with a mapping of its codes")
    found = cohorts.read_fhir(bundle, codes)
    if len(found) > 1:
        raise TrialError(
            f"record: the bundle has the patients {[r.name for r in found]}; wants one of cohorts.read_fhir"
        )
    return found[0]


def twin_cohort(
    model: engine.Model | str, population: cohorts.Population | str, patients: Sequence[PatientRecord], *, seed: int,
    solver: str | Solver = "auto", **options: Any,
) -> TwinCohort:  # fmt: skip
    """Twins of many patients at once; `twin` and `cohorts.twin_cohort` say what the arguments are."""
    equations, people = _ready(model, population, solver)
    return cohorts.twin_cohort(people, patients, equations, seed=seed, **options)


def _ready(
    model: engine.Model | str, population: cohorts.Population | str, solver: str | Solver
) -> tuple[Equations, cohorts.Population]:
    equations = Equations(engine.load_model(model) if isinstance(model, str) else model, solver)
    people = cohorts.load_population(population) if isinstance(population, str) else population
    equations.names(dict.fromkeys(people.parameter_names, np.zeros(1)))
    return equations, people


def records(events: EventTable, model: engine.Model, outputs: Mapping[int, str] | None = None) -> list[PatientRecord]:
    """Patients of a NONMEM table.

    Parameters
    ----------
    events
        The table; columns are covariates, which may change: each value holds from its record to the next. A column
        ``occasion`` counts occasions from 0.
    model
        Its states are what ``CMT`` of a dose counts.
    outputs
        Output that ``CMT`` of an observation means; None where only one is measured.
    """
    states, doses, seen = events.compartments or model.state_names, events.doses, events.observations
    covariates, changing = events.covariates, events.time_varying
    found = []
    for who in events.ids.tolist():
        mine, own = (
            t.isel({d: np.flatnonzero(t["subject"].to_numpy() == who)})
            for t, d in ((doses, "dose"), (seen, "observation"))
        )
        given: dict[str, Any] = {n: mine[n].to_numpy() for n in ("time", "amt", "rate", "ii", "addl", "ss", "evid")}
        given["cmt"] = np.array([states[max(int(c), 1) - 1] for c in mine["cmt"].to_numpy()], dtype=np.str_)
        measured: dict[str, Any] = {n: own[n].to_numpy() for n in ("time", "dv", "occasion") if n in own}
        if outputs is not None:
            measured["output"] = np.array([outputs[int(c)] for c in own["cmt"].to_numpy()], dtype=np.str_)
        about: dict[str, Any] = {str(n): v.item() for n, v in covariates.sel(subject=who).data_vars.items()}
        about |= _courses(changing.isel(record=np.flatnonzero(changing["subject"].to_numpy() == who)))
        found.append(PatientRecord(measured, given, about, str(who)))
    return found


def _courses(rows: xr.Dataset) -> dict[str, Any]:
    """Columns of one patient that change in somebody: the last value at each time, and only where it is another."""
    made: dict[str, Any] = {}
    times = rows["time"].to_numpy()
    for name, column in rows.drop_vars(["subject", "time"]).data_vars.items():
        known = column.to_numpy()
        if name in OBSERVATIONS or (known.dtype.kind == "f" and not np.isfinite(known).any()):
            continue
        told = {t: v for t, v in zip(times.tolist(), known.tolist(), strict=True) if v == v}
        new = [t for i, t in enumerate(told) if not i or told[t] != list(told.values())[i - 1]]
        made[str(name)] = {"time": new, "value": [told[t] for t in new]} if len(new) > 1 else told[new[0]]
    return made
