"""Look by look: the probability of crossing given bounds, and the bounds that are crossed with given probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trials.boundaries.recursion import Density, above, advance, begin, below, lower_bound, nodes_for, upper_bound

type Array = np.ndarray


class Crossing(NamedTuple):
    """Probability of crossing at each look, not having crossed before; both (row, look)."""

    upper: Array
    lower: Array


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Bounds of one side (row, look), or where these are NaN the probability with which a look shall cross one."""

    bounds: Array
    probability: Array


def given(bounds: Array) -> Side:
    """Return a side whose bounds are known."""
    return Side(bounds, np.full_like(bounds, np.nan))


def wanted(probability: Array) -> Side:
    """Return a side whose bounds follow from the probability of crossing."""
    return Side(np.full_like(probability, np.nan), probability)


def crossing(information: Array, efficacy: Array, futility: Array, drift: Array) -> Crossing:
    """Return the probability of crossing each bound.

    Parameters
    ----------
    information
        Information (row, look), increasing along a row; NaN where a look is not held.
    efficacy, futility
        Bounds of Z (row, look): at or above the one or at or below the other a trial stops; infinite where it cannot.
    drift
        Expected Z (row,) at information 1.
    """
    upper, lower = np.zeros(information.shape), np.zeros(information.shape)
    last = information.shape[1] - 1
    for at, state in _groups(information):
        for look in range(information.shape[1]):
            held = state.hold(information[at, look])
            rows = at[held]
            if rows.size:
                region, effect = (futility[rows, look], efficacy[rows, look]), drift[rows]
                upper[rows, look] = above(state.density, state.here, region[1], effect)
                lower[rows, look] = below(state.density, state.here, region[0], effect)
                if look < last:
                    state.go(region, effect)
    return Crossing(upper, lower)


def boundary_values(
    information: Array, efficacy: Side, futility: Side, drift: Array, *, binding: bool, sided: int = 1
) -> tuple[Array, Array]:
    """Return efficacy and futility bounds (row, look), of which some are given and others found.

    Parameters
    ----------
    information
        Information (row, look), increasing along a row; NaN where a look is not held.
    efficacy
        Its probability is that of crossing on one side without a drift.
    futility
        Its probability is that under ``drift``; no bound is above that for efficacy.
    drift
        Drift (row,) under which futility is judged.
    binding
        Whether efficacy bounds count on the trial's stopping at the futility bounds.
    sided
        2: the trial also stops at or below minus the efficacy bound; without futility bounds.
    """
    upper, lower = np.full(information.shape, np.inf), np.full(information.shape, -np.inf)
    spent, last = np.isnan(futility.bounds).any(), information.shape[1] - 1
    for (at, null), (_, other) in zip(_groups(information), _groups(information), strict=True):
        for look in range(information.shape[1]):
            held = null.hold(information[at, look])
            other.hold(information[at, look])
            rows = at[held]
            if not rows.size:
                continue
            high = _high(null, efficacy.bounds[rows, look], efficacy.probability[rows, look])
            low = np.minimum(
                _low(other, futility.bounds[rows, look], futility.probability[rows, look], drift[rows]), high
            )
            upper[rows, look], lower[rows, look] = high, low
            floor = -high if sided == 2 else low if binding else np.full_like(low, -np.inf)
            if look < last:
                null.go((floor, high), np.zeros(rows.size))
            if spent and look < last:
                other.go((low, high), drift[rows])
    return upper, lower


@dataclass(slots=True)
class _State:
    """Trials of some rows that go on, and which rows hold the look under way."""

    whole: Density
    held: Array
    here: Array

    def hold(self, information: Array) -> Array:
        """Set which rows hold a look, and with what information."""
        self.held = np.flatnonzero(~np.isnan(information))
        self.here = information[self.held]
        return self.held

    @property
    def density(self) -> Density:
        """Trials of the rows that hold the look."""
        if self.held.size == len(self.whole.information):
            return self.whole
        return Density(self.whole.nodes[self.held], self.whole.mass[self.held], self.whole.information[self.held])

    def go(self, region: tuple[Array, Array], drift: Array) -> None:
        """Let the trials within the region go on; a look at which none can stop leaves them as they are, exactly."""
        can = (region[0] > -np.inf) | (region[1] < np.inf)
        self.held, self.here = self.held[can], self.here[can]
        if not self.held.size:
            return
        onward = advance(self.density, self.here, (region[0][can], region[1][can]), drift[can])
        if self.held.size == len(self.whole.information):
            self.whole = onward
            return
        for name in ("nodes", "mass", "information"):
            getattr(self.whole, name)[self.held] = getattr(onward, name)


def _groups(information: Array) -> Iterator[tuple[Array, _State]]:
    """Yield rows that are integrated with the same number of nodes, before their first look."""
    counts = nodes_for(information)
    for count in np.unique(counts):
        at = np.flatnonzero(counts == count)
        yield at, _State(begin(at.size, int(count)), np.arange(at.size), np.zeros(at.size))


def _high(state: _State, bounds: Array, probability: Array) -> Array:
    if not np.isnan(bounds).any():
        return bounds
    found = upper_bound(state.density, state.here, probability, np.zeros(bounds.size))
    return np.where(np.isnan(bounds), found, bounds)


def _low(state: _State, bounds: Array, probability: Array, drift: Array) -> Array:
    if not np.isnan(bounds).any():
        return bounds
    found = lower_bound(state.density, state.here, probability, drift)
    return np.where(np.isnan(bounds), found, bounds)
