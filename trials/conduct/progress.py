"""Where the patients of some replicates stand: what they have been given, what they have, what has happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trials.conduct.dosing import Dosing, Place, Treated
from trials.conduct.measuring import measure, missed
from trials.conduct.sampling import Sampled, layout
from trials.endpoints.base import Watch
from trials.protocol import Arm, Measurement

type Array = np.ndarray


@dataclass(slots=True, eq=False)
class Progress:
    """Patients while they are being treated; arrays (replicate, subject, period, ...).

    Attributes
    ----------
    dosing
        How they are dosed.
    arms
        Index of the arm (replicate, subject, period).
    starts
        Start of each period after that of the first.
    samples, values
        What is sampled, and its true values (replicate, subject, period, time).
    status
        The engine's status (replicate, subject, period).
    amounts
        For each arm with a policy, and each period, the doses it gave (replicate, subject, dose).
    events, left
        Time of each event, and of leaving the study, after the start (replicate, subject); infinite if none.
    away
        Where the visits of a measurement are missed, once that was asked for.
    """

    dosing: Dosing
    arms: Array
    starts: tuple[float, ...]
    samples: Sequence[Sampled]
    values: dict[str | Watch, Array]
    status: Array
    left: Array
    amounts: dict[tuple[str, int], Array] = field(default_factory=dict)
    events: dict[str, Array] = field(default_factory=dict)
    away: dict[str, Array | None] = field(default_factory=dict)

    def treat(self) -> None:
        """Treat all patients as they were assigned, period by period; what they have carries over."""
        for period, start in enumerate(self.starts):
            later = [other - start for other in self.starts[period:]]
            for index, name in enumerate(self.dosing.protocol.design.arms):
                replicate, subject = np.nonzero(self.arms[:, :, period] == index)
                if subject.size:
                    self._treat(self.dosing.protocol.arm(name), (replicate, subject, period), later)

    def _treat(self, arm: Arm, place: Place, later: Sequence[float]) -> None:
        """Dose patients, and add what they then have, now and in later periods."""
        grid, columns = layout(self.samples, place, later)
        found = self.dosing.assigned(arm, place, grid)
        replicate, subject, period = place
        for one, each in zip(self.samples, columns, strict=True):
            for offset, where in enumerate(each):
                self.values[one.key][replicate, subject, period + offset] += found.outputs[one.output][:, where]
        self.status[place] = found.status
        if found.amounts is not None:
            shape = (*self.arms.shape[:2], found.amounts.shape[1])
            self.amounts.setdefault((arm.name, period), np.zeros(shape))[replicate, subject] = found.amounts

    def treat_again(self, replicate: Array, subject: Array, now: Array) -> None:
        """Treat patients again as events have changed it; what they had until `now` (patient,) stays what it was."""
        for index, name in enumerate(self.dosing.protocol.design.arms):
            own = np.flatnonzero(self.arms[replicate, subject, 0] == index)
            if own.size:
                place = (replicate[own], subject[own], 0)
                self._replace(place, now[own], *self._treated(self.dosing.protocol.arm(name), place))

    def _treated(self, arm: Arm, place: Place) -> tuple[Treated, list[list[Array]]]:
        grid, columns = layout(self.samples, place, [0.0])
        when = {name: times[place[:2]] for name, times in self.events.items()}
        amounts = self.amounts[arm.name, 0][place[:2]] if (arm.name, 0) in self.amounts else None
        return self.dosing.changed(arm, place, grid, when=when, amounts=amounts), columns

    def _replace(self, place: Place, now: Array, found: Treated, columns: list[list[Array]]) -> None:
        for one, (where,) in zip(self.samples, columns, strict=True):
            times = one.times if one.times.ndim == 1 else one.times[place]
            later = found.outputs[one.output][:, where]
            self.values[one.key][place] = np.where(times <= now[:, None], self.values[one.key][place], later)
        self.status[place] = found.status

    def recorded(
        self, measurement: Measurement, place: tuple[Array, Array] | slice = slice(None)
    ) -> tuple[Array, Array | None]:
        """What is recorded of a measurement in patients who stay (..., period, time), and where it is flagged."""
        patients, noise = self.dosing.patients, self.dosing.noise[measurement.name][place]
        replicate = (
            np.arange(len(self.arms)).reshape(-1, 1, 1, 1) if isinstance(place, slice) else place[0][:, None, None]
        )
        true = self.values[measurement.name][place]
        seen, below = measure(self.dosing.protocol, patients, measurement, true, noise=noise, replicate=replicate)
        if measurement.name not in self.away:
            self.away[measurement.name] = missed(measurement, patients, self.arms.shape)
        away = self.away[measurement.name]
        return (seen if away is None else np.where(away[place], np.nan, seen)), below
