"""How patients are dosed: as their arm says, as they adhere to it, and as intercurrent events change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

import engine
from engine.dosing.taken import Taken, dose_times
from trials.conduct.event import IntercurrentEvent
from trials.conduct.measuring import recorded, with_error
from trials.consistency import measured
from trials.protocol import Arm, Protocol
from trials.streams import Stream, item, uniforms

type Array = np.ndarray
type Place = tuple[Array, Array, int]
"""Replicate and subject of some patients, and the period they are in."""


class Treated(NamedTuple):
    """Outputs by name (patient, time), the engine's status (patient), and what a policy gave (patient, dose)."""

    outputs: Mapping[str, Array]
    status: Array
    amounts: Array | None = None


class Course(NamedTuple):
    """Doses of one regimen that patients took, counted from some time on: arrays (patient, dose).

    A dose that was not `due`, because what asks for it had ended or never began, has a share of 0, as a missed one has.
    """

    regimen: engine.Regimen
    share: Array
    delay: Array
    due: Array


@dataclass(frozen=True, slots=True, eq=False)
class Dosing:
    """Dosing of the patients of some replicates; fields as those of `Conduct`."""

    protocol: Protocol
    patients: xr.Dataset
    noise: Mapping[str, Array]

    def assigned(self, arm: Arm, place: Place, grid: Array) -> Treated:
        """Treat patients as their arm says."""
        parameters, options = self._parameters(arm, place), {"solver": self.protocol.solver, "before_dose": True}
        share = self._share(arm, place)
        if arm.regimen is not None:
            dosing = arm.regimen if share is None else Taken(arm.regimen, share, np.zeros(share.shape))
            found = engine.simulate_arrays(self.protocol.model, parameters, dosing, grid, **options)
            return Treated(found.outputs, found.status)
        assert arm.policy is not None, "an arm has one or the other"
        followed = engine.simulate_policy(
            self.protocol.model,
            parameters,
            arm.policy,
            grid,
            observe=self._visits(arm, place),
            covariates={name: self.at(name, place) for name in self.protocol.population.covariate_names},
            taken=share,
            **options,
        )
        return Treated(followed.arrays.outputs, followed.arrays.status, followed.amount)

    def changed(
        self, arm: Arm, place: Place, grid: Array, *, when: Mapping[str, Array], amounts: Array | None
    ) -> Treated:
        """Treat patients as their arm said until intercurrent events changed it.

        Parameters
        ----------
        when
            Time of each event (patient,); infinite if it has not happened.
        amounts
            Of the doses of a policy, as they were given without the events.
        """
        events = [event for event in self.protocol.intercurrent if event.name in when]
        parts = list(self.courses(arm, place, events, when, amounts))
        taken = Taken(
            sum((part.regimen for part in parts[1:]), parts[0].regimen),
            np.concatenate([part.share for part in parts], axis=1),
            np.concatenate([part.delay for part in parts], axis=1),
            *self._stretches(arm, place, events, when),
        )
        constant = {name: v for name, v in self._parameters(arm, place).items() if name not in taken.changes}
        found = engine.simulate_arrays(
            self.protocol.model, constant, taken, grid, solver=self.protocol.solver, before_dose=True
        )
        return Treated(found.outputs, found.status)

    def at(self, name: str, place: Place) -> Array:
        """Parameter or covariate of patients (patient,)."""
        variable = self.patients[name]
        values: Array = variable.values[place if "occasion" in variable.dims else place[:2]]
        return values

    def _parameters(self, arm: Arm, place: Place) -> dict[str, Array]:
        """Parameters of the model (patient,), as the arm changes them."""
        factors = dict(arm.modify)
        return {name: self.at(name, place) * factors.get(name, 1.0) for name in self.protocol.model.parameter_names}

    def _share(self, arm: Arm, place: Place, what: str = "assigned") -> Array | None:
        """Share of each dose that is taken (patient, dose); None for all of it. An arm's doses are those of others."""
        if arm.adherence is None:
            return None
        regimen = arm.regimen if arm.regimen is not None else _unit_doses(arm)
        times = dose_times(self.protocol.model, regimen)
        replicates = self.patients["replicate"].values.tolist()
        numbers = uniforms(
            int(self.patients.attrs["seed"]),
            Stream.ADHERENCE,
            replicates,
            self.patients.sizes["subject"],
            each=(len(times) + 1, 2),
            item=item(f"{what} {place[2]}"),
        )
        share = np.empty((len(place[0]), len(times)))
        share[:, np.argsort(times, kind="stable")] = arm.adherence.taken(numbers[place[:2]])
        return share

    def courses(
        self,
        arm: Arm,
        place: Place,
        events: Sequence[IntercurrentEvent],
        when: Mapping[str, Array],
        amounts: Array | None,
    ) -> Iterator[Course]:
        """What was assigned until it was stopped, then what each event added; arguments as those of `changed`."""
        count, ends = len(place[0]), [when[e.name] for e in events if e.stops or e.switch is not None]
        regimen = _unit_doses(arm) if arm.regimen is None else arm.regimen
        share = amounts if arm.regimen is None else self._share(arm, place)
        yield self._course(regimen, share, np.zeros(count), ends)
        for event in events:
            begin = when[event.name]
            if event.rescue is not None:
                yield self._course(event.rescue, None, begin, [])
            if event.switch is not None:
                other = self.protocol.arm(event.switch)
                assert other.regimen is not None, "checked with the protocol"
                later = [np.where(end > begin, end, np.inf) for end in ends]
                yield self._course(other.regimen, self._share(other, place, event.name), begin, later)

    def _course(self, regimen: engine.Regimen, share: Array | None, begin: Array, ends: Sequence[Array]) -> Course:
        """Doses counted from `begin` (patient,), infinite for none of them, until the first of `ends` (patient,)."""
        planned = dose_times(self.protocol.model, regimen)
        end = np.minimum.reduce([np.full(len(begin), np.inf), *ends])
        delay = np.broadcast_to(begin[:, None], (len(begin), len(planned)))
        there = np.isfinite(delay) & (planned + delay < end[:, None])
        taken = np.where(there, 1.0 if share is None else share, 0.0)
        return Course(regimen, taken, np.where(there, delay, 0.0), there)

    def _stretches(
        self, arm: Arm, place: Place, events: Sequence[IntercurrentEvent], when: Mapping[str, Array]
    ) -> tuple[dict[str, Array], Array | None]:
        """Parameters that change (patient, stretch), and when."""
        changing = [event for event in events if event.modify or event.switch is not None]
        switched = [self.protocol.arm(event.switch) for event in changing if event.switch is not None]
        named = [*(event.modify for event in changing), *(a.modify for a in (arm, *switched) if switched)]
        names = dict.fromkeys(name for modify in named for name, _ in modify)
        if not names:
            return {}, None
        times = np.stack([when[event.name] for event in changing], axis=1)
        order = np.argsort(times, axis=1, kind="stable")
        until = np.concatenate([np.take_along_axis(times, order, axis=1), np.full((len(times), 1), np.inf)], axis=1)
        return {
            name: self._factors(name, arm, changing, order) * self.at(name, place)[:, None] for name in names
        }, until

    def _factors(self, name: str, arm: Arm, events: Sequence[IntercurrentEvent], order: Array) -> Array:
        """Factor on a parameter in each stretch (patient, stretch): that of the arm, times those of the events."""
        base = np.full(len(order), dict(arm.modify).get(name, 1.0))
        besides = np.ones(len(order))
        rows = [base * besides]
        for place in range(order.shape[1]):
            for number, event in enumerate(events):
                here = order[:, place] == number
                if event.switch is not None:
                    base = np.where(here, dict(self.protocol.arm(event.switch).modify).get(name, 1.0), base)
                besides = np.where(here, besides * dict(event.modify).get(name, 1.0), besides)
            rows.append(base * besides)
        return np.stack(rows, axis=1)

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


def _unit_doses(arm: Arm) -> engine.Regimen:
    """Doses of 1 at the times at which a policy gives one."""
    assert arm.policy is not None, "an arm has one or the other"
    count = int(np.ceil(arm.policy.until / arm.policy.every))
    count -= (count - 1) * float(arm.policy.every) >= arm.policy.until
    return engine.Regimen(engine.Dose(1.0, into=arm.policy.into, every=arm.policy.every, times=count))
