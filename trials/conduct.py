"""The conduct of a trial: patients are dosed as their arm says, and measured as the protocol says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

import engine
from trials.consistency import measured
from trials.protocol import Arm, Measurement, Protocol
from trials.streams import Stream, normals

type Array = np.ndarray
type Place = tuple[Array, Array, int]
"""Replicate and subject of some patients, and the period they are in."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What happened to the patients of some replicates, and what of it was seen."""

    patients: xr.Dataset
    arms: Array
    """Index of the arm (replicate, subject, period)."""
    true: Mapping[str, Array]
    """For each measurement the true values (replicate, subject, period, time); NaN where the solver failed."""
    observed: Mapping[str, Array]
    """The same with measurement error and limit of quantification: what the trial's data base holds."""
    status: Array
    """The engine's status (replicate, subject, period)."""


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
        true = {name: np.zeros(noise.shape) for name, noise in self.noise.items()}
        status = np.zeros(arms.shape, dtype=np.int64)
        starts = self.protocol.design.starts(follow_up(self.protocol))[: arms.shape[-1]]
        for period, start in enumerate(starts):
            later = [other - start for other in starts[period:]]
            for index, name in enumerate(self.protocol.design.arms):
                replicate, subject = np.nonzero(arms[:, :, period] == index)
                if subject.size:
                    place = (replicate, subject, period)
                    status[place] = self._treat(self.protocol.arm(name), place, later, true)
        lost = np.logical_or.accumulate(status != 0, axis=-1)
        true = {name: np.where(lost[..., None], np.nan, values) for name, values in true.items()}
        observed = {m.name: self._seen(m, true[m.name]) for m in self.protocol.measurements}
        return Course(self.patients, arms, true, observed, status)

    def _treat(self, arm: Arm, place: Place, later: Sequence[float], true: Mapping[str, Array]) -> Array:
        """Dose patients and add what they then have, now and in later periods, to the true values; gives the status."""
        planned = sorted({time for m in self.protocol.measurements for time in m.times})
        grid = np.unique(np.add.outer(later, planned))
        values, status = self._profiles(arm, place, grid)
        replicate, subject, period = place
        for measurement in self.protocol.measurements:
            for offset, after in enumerate(later):
                columns = np.searchsorted(grid, np.add(after, measurement.times))
                true[measurement.name][replicate, subject, period + offset] += values[measurement.output][:, columns]
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
            column = measurement.times.index(times[visit])
            noise = self.noise[measurement.name][(*place, column)]
            return self._measure(measurement, values, noise, place[0])

        return observe

    def _seen(self, measurement: Measurement, true: Array) -> Array:
        """Observed values (replicate, subject, period, time)."""
        replicate = np.arange(len(true))[:, None, None, None]
        return self._measure(measurement, true, self.noise[measurement.name], replicate)

    def _measure(self, measurement: Measurement, true: Array, noise: Array, replicate: Array) -> Array:
        """Observed values of true ones, with the residual error of their replicate."""
        residual = measurement.error or self.protocol.population.residual(measurement.output)
        if measurement.error is None:
            sigmas = {name: self.patients[name].values[replicate] for name in residual.names.values()}
        else:
            sigmas = dict(zip(residual.names.values(), (q.values[0] for q in residual.sigmas), strict=True))
        seen: Array = residual.observe(true, sigmas, noise, np)
        return seen if measurement.lloq is None else np.where(seen < measurement.lloq, 0.0, seen)

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


def noise(protocol: Protocol, seed: int, replicates: range, subjects: int, periods: int) -> dict[str, Array]:
    """Draw the standard normal numbers behind each measurement: (replicate, subject, period, time)."""
    return {
        measurement.name: normals(
            seed, Stream.RESIDUAL, replicates, subjects, each=(periods, len(measurement.times)), item=item
        )
        for item, measurement in enumerate(protocol.measurements)
    }


def follow_up(protocol: Protocol) -> float:
    """Time from the first dose of a period to its last planned measurement."""
    return max(measurement.times[-1] for measurement in protocol.measurements)
