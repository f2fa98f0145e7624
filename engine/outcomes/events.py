"""Times of events from cumulative hazards: death, dropout, relapse.

An event happens where the cumulative hazard reaches a unit-exponential number; between samples the hazard is constant,
so the cumulative hazard is a straight line. Bender, Augustin & Blettner, Stat Med 2005;24:1713, doi:10.1002/sim.2059;
with competing events each has its own number and the first one happens: Beyersmann et al., Stat Med 2009;28:956,
doi:10.1002/sim.3516.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.outcomes.addresses import EVENTS, draw

if TYPE_CHECKING:
    import xarray as xr

type Floats = NDArray[np.float64]

PREFIX = "cumulative_hazard_"


class EventTimes(NamedTuple):
    """Time of the first event or of the end of observation, (subject), and which event it was, -1 for none."""

    time: Floats
    event: NDArray[np.int64]
    names: tuple[str, ...]

    def to_dataset(self, subject: NDArray[np.generic] | None = None) -> "xr.Dataset":
        """Dataset(subject): ``time``, ``event`` (its name, empty when censored) and ``censored``."""
        import xarray as xr

        names = np.asarray(["", *self.names])[self.event + 1]
        coords = {} if subject is None else {"subject": subject}
        columns = {"time": self.time, "event": names, "censored": self.event < 0}
        return xr.Dataset({name: ("subject", values) for name, values in columns.items()}, coords=coords)


def event_times(
    trajectories: "xr.Dataset", *, seed: int, replicate: int = 0, events: "tuple[str, ...] | None" = None
) -> EventTimes:
    """First event of each subject, and when.

    Parameters
    ----------
    trajectories
        As :func:`engine.simulate` gives them, with outputs ``cumulative_hazard_<event>`` (subject, time). The finer the
        sampling times, the closer the piecewise constant hazard is to the model's.
    seed, replicate
        Address of the random numbers.
    events
        Names of the events that compete; None for all there are.

    Returns
    -------
    EventTimes; a subject without an event is censored at the last time, one whose simulation failed is NaN.
    """
    names = _names(trajectories) if events is None else events
    clock = _clock(trajectories)
    hazards = np.stack([_hazard(trajectories, name) for name in names])
    shape = (hazards.shape[1], len(names))
    limits = draw(lambda rng, size: rng.standard_exponential(size), shape, seed=seed, stream=(EVENTS, replicate))
    found = np.stack([crossing(clock, hazard, limits[:, n]) for n, hazard in enumerate(hazards)])
    first = np.fmin.reduce(found, axis=0)
    happened = np.isfinite(first)
    which = np.where(happened, np.nanargmin(np.where(np.isnan(found), np.inf, found), axis=0), -1)
    failed = np.isnan(hazards).any(axis=(0, 2))
    time = np.where(happened, first, np.broadcast_to(clock, hazards.shape[1:])[:, -1])
    return EventTimes(np.where(failed, np.nan, time), np.where(failed, -1, which), tuple(names))


def crossing(times: Floats, values: Floats, limits: Floats) -> Floats:
    """Time at which a nondecreasing course (subject, time) reaches a limit (subject), by straight lines; NaN if never.

    ``times`` are (time) or (subject, time).
    """
    clock = np.broadcast_to(times, values.shape)
    reached = values >= limits[:, None]
    after = reached.argmax(axis=1)
    row, before = np.arange(len(values)), np.maximum(after - 1, 0)
    low, high = values[row, before], values[row, after]
    share = np.where(high > low, (limits - low) / np.where(high > low, high - low, 1.0), 0.0)
    found = clock[row, before] + np.clip(share, 0.0, 1.0) * (clock[row, after] - clock[row, before])
    return np.where(reached.any(axis=1), found, np.nan)


def _names(trajectories: "xr.Dataset") -> tuple[str, ...]:
    found = tuple(str(name).removeprefix(PREFIX) for name in trajectories if str(name).startswith(PREFIX))
    if not found:
        raise DataError(
            f"trajectories: no output is called {PREFIX}<event>; there are {', '.join(map(str, trajectories))}"
        )
    return found


def _hazard(trajectories: "xr.Dataset", name: str) -> Floats:
    if PREFIX + name not in trajectories:
        raise DataError(f"events: there is no output {PREFIX + name}; there are {', '.join(_names(trajectories))}")
    values = trajectories[PREFIX + name].transpose("subject", "time").to_numpy()
    if np.any(np.diff(values, axis=1) < -1e-9 * np.nanmax(np.abs(values), initial=1.0)):
        raise DataError(f"{PREFIX + name}: it decreases somewhere; a cumulative hazard cannot")
    return np.maximum.accumulate(values, axis=1)


def _clock(trajectories: "xr.Dataset") -> Floats:
    name = "sample_time" if "sample_time" in trajectories.coords else "time"
    return trajectories[name].to_numpy().astype(np.float64)
