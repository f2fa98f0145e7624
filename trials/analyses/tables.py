"""Fourfold tables of all replicates, and the intervals and score tests of a difference of two proportions."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.analyses.groups import compared
from trials.checks import refuse

HALVINGS = 60
"""Bisections of an interval's limit: 2 / 2**60 is below a float's resolution of a proportion."""


class Counts(NamedTuple):
    """Events and subjects of the test and the control group, each (replicate,) or (replicate, stratum)."""

    test_events: np.ndarray
    test_size: np.ndarray
    control_events: np.ndarray
    control_size: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """Subjects of both groups."""
        both: np.ndarray = self.test_size + self.control_size
        return both

    @property
    def proportions(self) -> tuple[np.ndarray, np.ndarray]:
        """Observed proportions of test and control; 0 in an empty group."""
        return (
            self.test_events / np.maximum(self.test_size, 1),
            self.control_events / np.maximum(self.control_size, 1),
        )

    @property
    def empty(self) -> np.ndarray:
        """Whether a group has nobody in it: there is nothing to compare."""
        nobody: np.ndarray = (self.test_size == 0) | (self.control_size == 0)
        return nobody


def binary(data: xr.Dataset, endpoint: str, *, test: str, control: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return events, test group and control group, each bool (replicate, subject); the missing are in neither group.

    Raises
    ------
    TrialError
        When a value is neither 0 nor 1, there is no such arm, or subjects have several periods.
    """
    groups = compared(data, endpoint, test=test, control=control, log=False)
    used = groups.test | groups.control
    strange = used & (groups.values != 0) & (groups.values != 1)
    if strange.any():
        raise refuse("analysis.endpoint", endpoint, f"values 0 and 1; one is {groups.values[strange][0]:g}")
    return used & (groups.values == 1), groups.test, groups.control


def counted(events: np.ndarray, test: np.ndarray, control: np.ndarray) -> Counts:
    """Return the table of every replicate from flags (replicate, subject)."""
    return Counts((events & test).sum(axis=1), test.sum(axis=1), (events & control).sum(axis=1), control.sum(axis=1))


def total(values: np.ndarray) -> np.ndarray:
    """Return the sum over the last axis, added one after the other, so that zeros at its end change no bit."""
    summed: np.ndarray = np.cumsum(values, axis=-1)[..., -1]
    return summed


def wilson(events: np.ndarray, size: np.ndarray, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return the score limits of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    size = np.maximum(size, 1)
    square = np.square(z)
    centre = events + square / 2
    half = z * np.sqrt(events * (size - events) / size + square / 4)
    return (centre - half) / (size + square), (centre + half) / (size + square)


def newcombe(table: Counts, z: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return the hybrid score limits of a risk difference: method 10 of Newcombe (1998).

    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    one, other = table.proportions
    low_one, high_one = wilson(table.test_events, table.test_size, z)
    low_other, high_other = wilson(table.control_events, table.control_size, z)
    down, up = np.hypot(one - low_one, high_other - other), np.hypot(high_one - one, other - low_other)
    return one - other - down, one - other + up


def score(table: Counts, margin: np.ndarray | float) -> np.ndarray:
    """Return the score statistic of a risk difference against a margin (Miettinen & Nurminen 1985).

    The variance is at the maximum likelihood under the margin, times N / (N - 1); doi:10.1002/sim.4780040211. With a
    margin of 0 its square is (N - 1) / N times Pearson's chi-square.
    """
    one, other = table.proportions
    at_one, at_other = constrained(table, margin)
    sizes = np.maximum(table.test_size, 1), np.maximum(table.control_size, 1)
    variance = at_one * (1 - at_one) / sizes[0] + at_other * (1 - at_other) / sizes[1]
    variance = variance * table.n / np.maximum(table.n - 1, 1)
    gap = one - other - margin
    certain = np.where(gap == 0, 0.0, np.copysign(np.inf, gap))
    return np.where(variance > 0, gap / np.sqrt(np.where(variance > 0, variance, 1.0)), certain)


def constrained(table: Counts, margin: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return the proportions of greatest likelihood that differ by the margin.

    Closed form of the cubic by Farrington & Manning (1990), doi:10.1002/sim.4780091208, appendix.
    """
    one, other = table.proportions
    share = table.control_size / np.maximum(table.test_size, 1)
    a = 1 + share
    b = -(1 + share + one + share * other + margin * (share + 2))
    c = np.square(margin) + margin * (2 * one + share + 1) + one + share * other
    d = -one * margin * (1 + margin)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0.0))
    ratio = np.clip(v / np.where(u == 0, 1.0, u**3), -1.0, 1.0)
    root = 2 * u * np.cos((np.pi + np.arccos(ratio)) / 3) - b / (3 * a)
    at_one = np.clip(root, np.maximum(margin, 0.0), np.minimum(1.0 + margin, 1.0))
    return at_one, at_one - margin


def miettinen_nurminen(table: Counts, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of a risk difference that the score test does not reject."""
    one, other = table.proportions
    limits = []
    for bound, end in ((z, -1.0), (-z, 1.0)):
        inside, outside = one - other, np.full(one.shape, end)
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            kept = score(table, middle) < bound if end < 0 else score(table, middle) > bound
            inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
        limits.append(inside)
    return limits[0], limits[1]


def newcombe_deviate(table: Counts, margin: float) -> np.ndarray:
    """Return the normal deviate at which the hybrid score interval just reaches the margin, signed as the estimate is.

    So the test rejects exactly when the interval of its level excludes the margin.
    """
    one, other = table.proportions
    above = one - other > margin
    low, high = np.zeros(one.shape), np.full(one.shape, 40.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        limits = newcombe(table, middle)
        excluded = np.where(above, limits[0] > margin, limits[1] < margin)
        low, high = np.where(excluded, middle, low), np.where(excluded, high, middle)
    return np.where(above, low, -low)
