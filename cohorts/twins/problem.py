"""How likely the measurements of several patients are, for many values of their unknowns at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cohorts.errors import PopulationError
from cohorts.specification.outcomes import Outcome
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import ERRORS, Residual
from cohorts.twins.classes import Classes, classes_of
from cohorts.twins.latent import Latent
from cohorts.twins.records import Columns, Course, PatientRecord, Predict, alike
from cohorts.twins.varying import spells

Index = NDArray[np.intp]
LANES = 65536
"""Parameter sets that are solved at once: keeps memory bounded."""
STEP = 1e-5


class Seen(NamedTuple):
    """Measurements of one endpoint, (patient, measurement), padded where `exists` is not set."""

    endpoint: Residual | Outcome
    row: Index
    """Place among the course's rows, (patient, measurement, driver)."""
    exists: NDArray[np.bool_]
    dv: Array
    below: NDArray[np.bool_]
    lloq: Array

    def of(self, patients: Index) -> "Seen":
        """The same for some of the patients."""
        return Seen(
            self.endpoint, self.row[patients], self.exists[patients], self.dv[patients], self.below[patients],
            self.lloq[patients],
        )  # fmt: skip


class Local(NamedTuple):
    """The log posterior near a point: its value (lane), gradient (lane, d), expected curvature (lane, d, d)."""

    value: Array
    gradient: Array
    curvature: Array


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Measurements of several patients, the equations and what is believed of patients in general.

    Attributes
    ----------
    latent
        The unknowns.
    predict
        The equations.
    records, courses
        Of each patient.
    seen
        Their measurements by endpoint.
    covariates
        By name, (patient), or (patient, spell) where they change.
    breaks
        Times at which the covariates of each patient change.
    values
        Population-level values by name, (draw) or (draw, level): several draws where they are uncertain.
    classes
        Each draw once in every class of a mixture; ``draw`` of a lane is a row of these.
    solve
        The equations prepared for the courses, where they can be; see `ready`.
    """

    latent: Latent
    predict: Predict
    records: tuple[PatientRecord, ...]
    courses: tuple[Course, ...]
    seen: tuple[Seen, ...]
    covariates: Mapping[str, NDArray[Any]]
    breaks: tuple[Array, ...]
    values: Mapping[str, Array]
    classes: Classes
    solve: Callable[[Mapping[str, Array], Index], Array] | None = None

    def of(self, patients: Index) -> "Problem":
        """The same for some of the patients."""
        return replace(
            self,
            records=tuple(self.records[i] for i in patients),
            courses=tuple(self.courses[i] for i in patients),
            seen=tuple(s.of(patients) for s in self.seen),
            covariates={n: v[patients] for n, v in self.covariates.items()},
            breaks=tuple(self.breaks[i] for i in patients),
            solve=None,
        ).ready()

    def at(self, name: str, draw: Index) -> Array:
        """Population-level value of each row that `draw` points to."""
        return np.asarray(self.values[name][self.classes.draw(draw)])

    def parameters(self, which: Index, draw: Index, x: Array) -> dict[str, Array]:
        """Individual parameters of each lane: patient `which`, population draw `draw`, unknowns `x` (lane, d)."""
        values = {n: self.at(n, draw) for n in self.values}
        about = {n: v[which] for n, v in self.covariates.items()} | self.classes.covariates(draw)
        return self.latent.parameters(values, about, x)

    def rows(self, which: Index, draw: Index, x: Array) -> Array:
        """The model's values at every row of each lane's course, (lane, row)."""
        parts = [slice(i, i + LANES) for i in range(0, len(which), LANES)]
        made = [self._solved(self.parameters(which[p], draw[p], x[p]), which[p]) for p in parts]
        return np.concatenate(made) if made else np.empty((0, 0))

    def _solved(self, parameters: Mapping[str, Array], which: Index) -> Array:
        return self.predict(parameters, self.courses, which) if self.solve is None else self.solve(parameters, which)

    def log_likelihood(self, which: Index, draw: Index, x: Array) -> Array:
        """Log likelihood of each lane's patient, (lane); minus infinity where the model cannot be solved.

        With a mixture it contains the share of the lane's class.
        """
        share = self.classes.log_share[draw]
        if not self.seen:
            return share
        found = sum(np.sum(v, axis=1) for _, v in self.by_measurement(self.rows(which, draw, x), which, draw)) + share
        return np.where(np.isfinite(found), found, -np.inf)

    def ready(self) -> "Problem":
        """The same with the equations prepared for its courses, where they can be."""
        prepare = getattr(self.predict, "prepared", None)
        return replace(self, solve=prepare(self.courses)) if prepare else self

    def by_measurement(self, rows: Array, which: Index, draw: Index) -> list[tuple[Seen, Array]]:
        """Log likelihood of each measurement by endpoint, (lane, measurement), 0 where there is none."""
        return [(s, self._likely(s, _drivers(s, rows, which), which, draw)) for s in self.seen]

    def _likely(self, s: Seen, f: tuple[Array, ...], which: Index, draw: Index) -> Array:
        values = {n: self.at(n, draw)[:, None] for n in s.endpoint.names.values()}
        with np.errstate(all="ignore"):
            found = s.endpoint.log_likelihood(s.dv[which], f, values, np, below=s.below[which], lloq=s.lloq[which])
        return np.where(s.exists[which], found, 0.0)

    def local(self, which: Index, draw: Index, x: Array) -> Local:
        """Log posterior, its gradient and its expected curvature (Gauss-Newton) at `x`, (lane, d)."""
        lanes, d = x.shape
        if not self.seen:
            return Local(-0.5 * np.sum(x**2, axis=1), -x, np.broadcast_to(np.eye(d), (lanes, d, d)).copy())
        moved = np.concatenate([np.zeros((1, d)), STEP * np.eye(d), -STEP * np.eye(d)])
        many = np.repeat(np.arange(lanes), len(moved))
        rows = self.rows(which[many], draw[many], (x[:, None] + moved).reshape(-1, d)).reshape(lanes, len(moved), -1)
        slope = (rows[:, 1 : d + 1] - rows[:, d + 1 :]) / (2.0 * STEP)
        value = -0.5 * np.sum(x**2, axis=1)
        gradient, curvature = -x, np.broadcast_to(np.eye(d), (lanes, d, d)).copy()
        for s in self.seen:
            f = _drivers(s, rows[:, 0], which)
            value = value + np.sum(self._likely(s, f, which, draw), axis=1)
            for n, (score, information) in enumerate(self._curved(s, f, which, draw)):
                place = s.row[which][:, None, :, n]
                j = np.where(
                    s.exists[which][:, None],
                    np.take_along_axis(slope, np.broadcast_to(place, (lanes, d, place.shape[2])), axis=2),
                    0.0,
                )
                gradient = gradient + np.einsum("ldm,lm->ld", j, score)
                curvature += np.einsum("ldm,lm,lem->lde", j, information, j)
        sound = np.isfinite(value) & np.isfinite(gradient).all(axis=1) & np.isfinite(curvature).all(axis=(1, 2))
        return Local(
            np.where(sound, value, -np.inf),
            np.where(sound[:, None], gradient, 0.0),
            np.where(sound[:, None, None], curvature, np.eye(d)),
        )

    def _curved(self, s: Seen, f: tuple[Array, ...], which: Index, draw: Index) -> list[tuple[Array, Array]]:
        """Derivative of each measurement's log likelihood by each model value, and its (expected) curvature."""
        made = []
        for n, one in enumerate(f):
            h = np.maximum(1e-4 * np.abs(one), 1e-7)
            up, mid, down = (
                self._likely(s, (*f[:n], one + by * h, *f[n + 1 :]), which, draw) for by in (1.0, 0.0, -1.0)
            )
            score = (up - down) / (2.0 * h)
            curvature = np.maximum(-(up - 2.0 * mid + down) / h**2, 0.0)
            if isinstance(s.endpoint, Residual):
                curvature = np.where(s.below[which], curvature, self._information(s.endpoint, one, h, draw))
            made.append((np.where(s.exists[which], score, 0.0), np.where(s.exists[which], curvature, 0.0)))
        return made

    def _information(self, residual: Residual, f: Array, h: Array, draw: Index) -> Array:
        """Fisher information of a normal measurement about the model's value."""
        values = {n: self.at(n, draw)[:, None] for n in residual.names.values()}
        with np.errstate(all="ignore"):
            sd = residual.spread(f, values, np)
            if ERRORS[residual.kind].log:
                return np.asarray(1.0 / (sd * f) ** 2)
            slope = (residual.spread(f + h, values, np) - residual.spread(f - h, values, np)) / (2.0 * h)
            return np.asarray((1.0 + 2.0 * slope**2) / sd**2)


def _drivers(s: Seen, rows: Array, which: Index) -> tuple[Array, ...]:
    place = s.row[which]
    return tuple(np.take_along_axis(rows, place[:, :, n], axis=1) for n in range(place.shape[2]))


def problem_of(
    population: Population, predict: Predict, records: Sequence[PatientRecord], values: Mapping[str, Array]
) -> Problem:
    """Problem of several patients.

    Raises
    ------
    PopulationError
        Naming what is missing in the records or cannot be read.
    """
    alike(records)
    occasions = 1 + max((int(r.observations["occasion"].max(initial=0)) for r in records), default=0)
    told = spells(population, [r.covariates for r in records], [r.name for r in records])
    changing = any(p.between_occasion for p in population.parameters)
    latent = Latent(population, occasions if changing else 1, told.count)
    endpoints = [[population.endpoint(str(o)) for o in r.observations["output"]] for r in records]
    courses = tuple(_course(latent, *row) for row in zip(records, endpoints, told.breaks, strict=True))
    kinds = [e for e in population.endpoints if any(e in own for own in endpoints)]
    seen = tuple(_seen(e, records, endpoints) for e in kinds)
    problem = Problem(
        latent, predict, tuple(records), courses, seen, told.values, told.breaks, values,
        classes_of(population, values),
    )  # fmt: skip
    return problem.ready()


def _course(latent: Latent, record: PatientRecord, endpoints: Sequence[Residual | Outcome], breaks: Array) -> Course:
    seen = record.observations
    times = [t for t, e in zip(seen["time"], endpoints, strict=True) for _ in e.requests]
    occasions = [o for o, e in zip(seen["occasion"], endpoints, strict=True) for _ in e.requests]
    outputs = np.array([name for e in endpoints for name in e.requests], dtype=np.str_)
    return course(latent, record.doses, (np.array(times, float), outputs, np.array(occasions, np.int64)), breaks)


def course(
    latent: Latent, doses: Columns, rows: tuple[Array, NDArray[np.str_], NDArray[np.int64]], breaks: Array
) -> Course:
    """What a model is asked of one patient.

    Parameters
    ----------
    latent
        Says into how many periods an occasion falls.
    doses
        Columns of `cohorts.twins.records.DOSES`.
    rows
        Time, output and occasion of each row that is wanted.
    breaks
        Times at which the patient's covariates change.
    """
    time, output, occasion = rows
    if latent.spells == 1:
        return Course(doses, time, output, occasion)

    def period(occasion: NDArray[np.int64], time: Array) -> NDArray[np.int64]:
        limited = np.minimum(occasion, latent.occasions - 1)
        return np.asarray(limited * latent.spells + np.searchsorted(breaks, time, side="right"), dtype=np.int64)

    when = np.concatenate([doses["time"], time])
    order = np.argsort(when, kind="stable")
    of_all = np.concatenate([doses["occasion"], occasion])[order]
    starts = np.concatenate([[-np.inf], breaks])
    place = np.maximum(np.searchsorted(when[order], starts, side="right") - 1, 0)
    held = of_all[place] if len(of_all) else np.zeros(len(starts), dtype=np.int64)
    given = {**doses, "occasion": period(doses["occasion"], doses["time"])}
    return Course(given, time, output, period(occasion, time), starts, period(held, starts))


def _seen(
    endpoint: Residual | Outcome, records: Sequence[PatientRecord], endpoints: Sequence[Sequence[Residual | Outcome]]
) -> Seen:
    own = [[m for m, e in enumerate(many) if e == endpoint] for many in endpoints]
    shape = (len(records), max(map(len, own)))
    row = np.zeros((*shape, len(endpoint.requests)), dtype=np.intp)
    exists, dv, lloq, below = np.zeros(shape, bool), np.ones(shape), np.ones(shape), np.zeros(shape, bool)
    for i, (record, mine, many) in enumerate(zip(records, own, endpoints, strict=True)):
        first = np.cumsum([0, *(len(e.requests) for e in many)])
        seen, m = record.observations, slice(0, len(mine))
        exists[i, m] = True
        below[i, m] = seen["blq"][mine]
        dv[i, m] = np.where(below[i, m], 1.0, seen["dv"][mine])
        lloq[i, m] = np.where(below[i, m], seen["lloq"][mine], 1.0)
        row[i, m] = first[mine][:, None] + np.arange(len(endpoint.requests))
    if isinstance(endpoint, Residual) and below.any() and not endpoint.blq:
        raise PopulationError(
            f"residual.{endpoint.output}.blq: missing, and {int(below.sum())} measurements lie below their limit; "
            "say M1, M3 or M4"
        )
    return Seen(endpoint, row, exists, dv, below, lloq)
