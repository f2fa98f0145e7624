"""Paths of a continuous-time Markov model whose intensities follow the simulated course of a subject.

Between samples the intensities are those of the interval's beginning, so that within an interval the path is exact.
"""

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.outcomes.addresses import BLOCK, MARKOV, blocks

if TYPE_CHECKING:
    import xarray as xr

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

PREFIX = "intensity_"


def markov_states(
    trajectories: "xr.Dataset", states: tuple[str, ...], *, initial: str, seed: int, replicate: int = 0
) -> "xr.DataArray":
    """State of each subject at each sampling time.

    Parameters
    ----------
    trajectories
        As :func:`engine.simulate` gives them, with outputs ``intensity_<from>_<to>`` (subject, time), 1 over time.
    states
        Names of the states, in the order of their codes. A transition without an output does not happen.
    initial
        State of every subject at the first time.
    seed, replicate
        Address of the random numbers.

    Returns
    -------
    DataArray (subject, time) of codes, ``states`` in its attributes; -1 where the simulation failed.
    """
    import xarray as xr

    if initial not in states:
        raise DataError(f"initial: {initial!r} is no state; there are {', '.join(states)}")
    rates = _intensities(trajectories, states)
    first = next(iter(rates.values()))
    time = trajectories["time"].to_numpy().astype(np.float64)
    paths = np.empty(first.shape, dtype=np.int64)
    for number, part, length in blocks(len(first)):
        some = {pair: values[part] for pair, values in rates.items()}
        dice = _Dice(seed, (MARKOV, replicate, number))
        paths[part] = _walk(dice, time, some, len(states), np.full(length, states.index(initial)))
    failed = np.isnan(np.stack(list(rates.values()))).any(axis=(0, 2))
    paths[failed] = -1
    coords = {name: trajectories[name] for name in ("subject", "time") if name in trajectories.coords}
    return xr.DataArray(paths, coords, ("subject", "time"), attrs={"states": list(states)})


def _intensities(trajectories: "xr.Dataset", states: tuple[str, ...]) -> dict[tuple[int, int], Floats]:
    found = {
        (i, j): trajectories[f"{PREFIX}{a}_{b}"].transpose("subject", "time").to_numpy()
        for i, a in enumerate(states)
        for j, b in enumerate(states)
        if i != j and f"{PREFIX}{a}_{b}" in trajectories
    }
    if not found:
        raise DataError(f"states: no output is called {PREFIX}<from>_<to> for two of {', '.join(states)}")
    if "time" not in trajectories.coords:
        raise DataError("trajectories: every subject has sampling times of its own; paths want the same for all")
    if any(np.any(values < 0) for values in found.values()):
        raise DataError("trajectories: an intensity is negative")
    return found


class _Dice(NamedTuple):
    """Random numbers of a block, addressed by interval and round: a subject's do not depend on how others jump."""

    seed: int
    address: tuple[int, ...]

    def roll(self, step: int, round_: int) -> tuple[Floats, Floats]:
        """Unit-exponential and uniform numbers, one a subject of a whole block."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(*self.address, step, round_)))
        return rng.standard_exponential(BLOCK), rng.random(BLOCK)


def _walk(
    dice: _Dice, time: Floats, rates: dict[tuple[int, int], Floats], states: int, state: Integers
) -> Integers:  # fmt: skip
    """States at the times, (subject, time)."""
    path = np.empty((len(state), len(time)), dtype=np.int64)
    path[:, 0] = state
    for step, length in enumerate(np.diff(time)):
        leave = np.zeros((len(state), states, states))
        for (i, j), values in rates.items():
            leave[:, i, j] = np.nan_to_num(values[:, step])
        state = _jump(dice, step, leave, state, np.full(len(state), length))
        path[:, step + 1] = state
    return path


def _jump(dice: _Dice, step: int, leave: Floats, state: Integers, left: Floats) -> Integers:
    """State after the time that is left, jump by jump."""
    state, row = state.copy(), np.arange(len(state))
    for round_ in count():
        wait, choice = (numbers[: len(state)] for numbers in dice.roll(step, round_))
        own = leave[row, state]
        total = own.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = left - np.where(total > 0, wait / total, np.inf)
        moving = left > 0
        if not moving.any():
            break
        target = (np.cumsum(own, axis=1) < (choice * total)[:, None]).sum(axis=1)
        state = np.where(moving, np.minimum(target, leave.shape[1] - 1), state)
    return state
