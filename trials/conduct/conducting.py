"""Patients on their way through the trial: dosed as their arm says, and measured as the protocol says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

import engine
from trials.conduct.course import Course
from trials.conduct.measuring import follow_up, missed, recorded, visit_times, with_error
from trials.consistency import measured
from trials.endpoints.base import Watch
from trials.protocol import Arm, Protocol

type Array = np.ndarray
type Place = tuple[Array, Array, int]
"""Replicate and subject of some patients, and the period they are in."""


class Sampled(NamedTuple):
    """Something sampled of an output: a measurement at its visits, or what is watched.

    ``times`` after the start of a period are (time,), or (replicate, subject, period, time).
    """

    key: str | Watch
    output: str
    times: Array


@dataclass(frozen=True, slots=True, eq=False)
class Conduct:
    """Patients of some replicates on their way through the trial.

    Attributes
    ----------
    protocol
        What is done.
    patients
        Dataset (replicate, subject[, occasion]) of parameters, covariates and residual standard deviations.
    noise
        For each measurement standard normal numbers (replicate, subject, period, time).
    """

    protocol: Protocol
    patients: xr.Dataset
    noise: Mapping[str, Array]

    def course(self, arms: Array) -> Course:
        """Treat and measure all patients in the arms (replicate, subject, period) they are in."""
        sampled = self._sampled(arms.shape)
        values = {one.key: np.zeros((*arms.shape, one.times.shape[-1])) for one in sampled}
        status = np.zeros(arms.shape, dtype=np.int64)
        starts = self.protocol.design.starts(follow_up(self.protocol))[: arms.shape[-1]]
        for period, start in enumerate(starts):
            later = [other - start for other in starts[period:]]
            for index, name in enumerate(self.protocol.design.arms):
                replicate, subject = np.nonzero(arms[:, :, period] == index)
                if subject.size:
                    place = (replicate, subject, period)
                    status[place] = self._treat(self.protocol.arm(name), place, later, sampled, values)
        lost = np.logical_or.accumulate(status != 0, axis=-1)
        values = {key: np.where(lost[..., None], np.nan, each) for key, each in values.items()}
        return self._recorded(arms, values, status, starts)

    def _sampled(self, shape: tuple[int, ...]) -> list[Sampled]:
        """Everything that is sampled; each output is watched once, however many look at it."""
        watches = dict.fromkeys(watch for endpoint in self.protocol.endpoints for watch in endpoint.watches)
        visits = [Sampled(m.name, m.output, visit_times(m, self.patients, shape)) for m in self.protocol.measurements]
        return [*visits, *(Sampled(watch, watch.output, watch.clock) for watch in watches)]

    def _treat(
        self,
        arm: Arm,
        place: Place,
        later: Sequence[float],
        sampled: Sequence[Sampled],
        values: Mapping[str | Watch, Array],
    ) -> Array:
        """Dose patients and add what they then have, now and in later periods, to the values; gives the status."""
        grid, columns = _grid(sampled, place, later)
        outputs, status = self._profiles(arm, place, grid)
        replicate, subject, period = place
        for one, each in zip(sampled, columns, strict=True):
            for offset, where in enumerate(each):
                values[one.key][replicate, subject, period + offset] += outputs[one.output][:, where]
        return status

    def _parameters(self, arm: Arm, place: Place) -> dict[str, Array]:
        """Parameters of the model (patient,), as the arm changes them."""
        factors = dict(arm.modify)
        return {name: self._at(name, place) * factors.get(name, 1.0) for name in self.protocol.model.parameter_names}

    def _at(self, name: str, place: Place) -> Array:
        variable = self.patients[name]
        values: Array = variable.values[place if "occasion" in variable.dims else place[:2]]
        return values

    def _visits(self, arm: Arm, place: Place) -> Callable[[str, int, Array], Array]:
        """What a policy is shown at a visit: the measurement of that time, error and all."""
        assert arm.policy is not None, "only a policy looks"
        seen = {output: measured(self.protocol, arm, output) for output in arm.policy.observes}
        times = tuple(map(float, arm.policy.visits))

        def observe(output: str, visit: int, values: Array) -> Array:
            measurement = seen[output]
            noise = self.noise[measurement.name][(*place, measurement.times.index(times[visit]))]
            found = with_error(self.protocol, self.patients, measurement, values, noise=noise, replicate=place[0])
            return recorded(measurement, found)

        return observe

    def _recorded(
        self, arms: Array, values: Mapping[str | Watch, Array], status: Array, starts: Sequence[float]
    ) -> Course:
        """Course with what is seen of it."""
        replicate = np.arange(len(arms))[:, None, None, None]
        observed, below = {}, {}
        for m in self.protocol.measurements:
            seen = with_error(
                self.protocol, self.patients, m, values[m.name], noise=self.noise[m.name], replicate=replicate
            )
            away = missed(m, self.patients, arms.shape)
            if m.lloq is not None and m.blq == "flagged":
                below[m.name] = seen < m.lloq
            observed[m.name] = recorded(m, seen) if away is None else np.where(away, np.nan, recorded(m, seen))
        return Course(
            patients=self.patients,
            arms=arms,
            true={m.name: values[m.name] for m in self.protocol.measurements},
            observed=observed,
            status=status,
            times={m.name: visit_times(m, self.patients, arms.shape) for m in self.protocol.measurements},
            planned={m.name: np.asarray(m.times) for m in self.protocol.measurements},
            below=below,
            watched={key: each for key, each in values.items() if isinstance(key, Watch)},
            starts=tuple(starts),
            left=np.full(arms.shape[:2], np.inf),
        )

    def _profiles(self, arm: Arm, place: Place, grid: Array) -> tuple[dict[str, Array], Array]:
        """Outputs by name (patient, time) and the engine's status (patient) of patients dosed as their arm says."""
        model, parameters, solver = self.protocol.model, self._parameters(arm, place), self.protocol.solver
        if arm.regimen is not None:
            found = engine.simulate_arrays(model, parameters, arm.regimen, grid, solver=solver, before_dose=True)
            return found.outputs, found.status
        assert arm.policy is not None, "an arm has one or the other"
        covariates = {name: self._at(name, place) for name in self.protocol.population.covariate_names}
        followed = engine.simulate_policy(
            model,
            parameters,
            arm.policy,
            grid,
            solver=solver,
            before_dose=True,
            observe=self._visits(arm, place),
            covariates=covariates,
        )
        return followed.arrays.outputs, followed.arrays.status


def _grid(sampled: Iterable[Sampled], place: Place, later: Sequence[float]) -> tuple[Array, list[list[Array]]]:
    """Sampling times, (time,) or (patient, time), and for each thing sampled the columns it has in each period."""
    sampled = list(sampled)
    if all(one.times.ndim == 1 for one in sampled):
        planned = sorted({float(time) for one in sampled for time in one.times})
        grid = np.unique(np.add.outer(later, planned))
        return grid, [[np.searchsorted(grid, np.add(after, one.times)) for after in later] for one in sampled]
    replicate, subject, period = place
    parts: list[Array] = []
    columns: list[list[Array]] = []
    width = 0
    for one in sampled:
        columns.append([])
        for offset, after in enumerate(later):
            own = one.times if one.times.ndim == 1 else one.times[replicate, subject, period + offset]
            parts.append(np.broadcast_to(np.add(after, own), (len(subject), one.times.shape[-1])))
            columns[-1].append(np.arange(width, width + one.times.shape[-1]))
            width += one.times.shape[-1]
    return np.concatenate(parts, axis=1), columns
