"""What a dose should reach, and how it may be given."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array

PANELS, NODES = 12, 4
"""Panels a window is cut into, and Gauss-Legendre nodes in each: an area is exact for polynomials of degree 7."""


class Grid(NamedTuple):
    """Times in a window, ascending (time), and the quadrature weight of each; 0 for those that only look."""

    time: Array
    weight: Array


class Metric(NamedTuple):
    """One row: a number of a course within a window, and what people call it."""

    measure: Callable[[Array, Grid, tuple[float, float]], Array]
    """Values (..., time), the grid, limits to a number each (...)."""
    meaning: str
    last: bool = False
    """Whether the end of the window is all it needs."""
    area: bool = False
    """Whether it needs the quadrature's nodes alone."""


def _within(values: Array, grid: Grid, limits: tuple[float, float]) -> Array:
    """Share of the window between the limits; the course is straight between grid points."""
    length = np.diff(grid.time)
    share = _above(values, limits[0]) - (_above(values, limits[1]) if limits[1] < math.inf else 0.0)
    return np.asarray(share @ length / length.sum())


def _above(values: Array, limit: float) -> Array:
    """Share of each stretch between two grid points in which a straight line lies above the limit."""
    if limit == -math.inf:
        return np.ones((*values.shape[:-1], values.shape[-1] - 1))
    low = np.minimum(values[..., 1:], values[..., :-1])
    high = np.maximum(values[..., 1:], values[..., :-1])
    flat = np.where(low > limit, 1.0, 0.0)
    return np.where(high > low, np.clip((high - limit) / np.where(high > low, high - low, 1.0), 0.0, 1.0), flat)


METRICS: dict[str, Metric] = {
    "trough": Metric(lambda v, *_: v[..., -1], "value at the end of the window, before a dose", last=True),
    "peak": Metric(lambda v, *_: v.max(axis=-1), "highest value"),
    "lowest": Metric(lambda v, *_: v.min(axis=-1), "lowest value"),
    "auc": Metric(lambda v, grid, _: v @ grid.weight, "area under the curve", area=True),
    "average": Metric(lambda v, grid, _: v @ grid.weight / grid.weight.sum(), "average", area=True),
    "within": Metric(_within, "share of the window between limits"),
}


@dataclass(frozen=True, slots=True)
class DoseTarget:
    """What is wanted of a patient's true values.

    Attributes
    ----------
    metric
        Row of `METRICS`, over a window that ends where the plan does.
    output
        Output of the model.
    low, high
        Range the metric should lie in.
    probability
        How probable that should be at least; None asks instead that the expected metric lie in the range.
    window
        Length of the window in the model's time; None for the last interval between doses. 24 h makes an AUC24.
    limits
        For ``within``: the limits of the output; above one of them only: ``(limit, math.inf)``.
    """

    metric: str
    output: str
    low: float = -math.inf
    high: float = math.inf
    probability: float | None = 0.8
    window: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        """Refuse targets nothing could meet or miss."""
        if self.metric not in METRICS:
            raise PopulationError(f"metric: got {self.metric!r}, wanted one of {list(METRICS)}")
        if not self.low < self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise PopulationError(
                f"low, high: got {self.low!r}, {self.high!r}, wanted low below high, one of them finite"
            )
        if self.probability is not None and not 0.0 < self.probability < 1.0:
            raise PopulationError(f"probability: got {self.probability!r}, wanted a number between 0 and 1, or None")
        if self.window is not None and not self.window > 0.0:
            raise PopulationError(f"window: got {self.window!r}, wanted a number > 0")
        if (self.metric == "within") == (self.limits == (-math.inf, math.inf)) or not self.limits[0] < self.limits[1]:
            raise PopulationError(
                f"limits: got {self.limits!r} for {self.metric}, wanted two, the first lower, for within alone"
            )

    @property
    def text(self) -> str:
        """The target in words, such as ``400 <= auc of concentration <= 600``."""
        low = f"{self.low:g} <= " if self.low > -math.inf else ""
        high = f" <= {self.high:g}" if self.high < math.inf else ""
        span = f" over {self.window:g}" if self.window is not None else ""
        which = f" {self.limits[0]:g} to {self.limits[1]:g}" if self.metric == "within" else ""
        return f"{low}{self.metric}{which} of {self.output}{span}{high}"


@dataclass(frozen=True, slots=True)
class DosePlan:
    """How doses to come would be given, and which are allowed.

    Attributes
    ----------
    start, horizon
        Time of the first dose, and how long they go on; the target is judged at the end of it.
    intervals
        Allowed intervals between doses.
    into
        State they go into; "" is the model's first.
    duration
        Length of an infusion; 0 for a bolus or an oral dose.
    amounts
        Allowed amounts. Empty: any from `least` to `most`.
    least, most, step
        Range of amounts, and of what they are multiples (None: of nothing).
    """

    start: float
    horizon: float
    intervals: tuple[float, ...]
    into: str = ""
    duration: float = 0.0
    amounts: tuple[float, ...] = ()
    least: float = 0.0
    most: float = 0.0
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse plans without a dose."""
        if not self.intervals or min(self.intervals) <= 0.0 or max(self.intervals) > self.horizon:
            raise PopulationError(f"intervals: got {self.intervals!r}, wanted numbers > 0, none above the horizon")
        if self.amounts and (min(self.amounts) <= 0.0 or self.least or self.most or self.step):
            raise PopulationError(f"amounts: got {self.amounts!r}, wanted numbers > 0, without least, most and step")
        if not self.amounts and not 0.0 < self.least <= self.most < math.inf:
            raise PopulationError(
                f"least, most: got {self.least!r}, {self.most!r}, wanted 0 < least <= most, or amounts"
            )
        if self.step is not None and not self.step > 0.0:
            raise PopulationError(f"step: got {self.step!r}, wanted a number > 0, or None")
        if not 0.0 <= self.duration <= min(self.intervals):
            raise PopulationError(f"duration: got {self.duration!r}, wanted 0 up to the shortest interval")
        if not self.amounts and not len(self.candidates(3)):
            raise PopulationError(f"step: no multiple of {self.step!r} lies from {self.least!r} to {self.most!r}")

    def candidates(self, count: int) -> Array:
        """Amounts to begin a search with, ascending: all that are allowed, or about `count` over the range."""
        if self.amounts:
            return np.unique(np.array(self.amounts, dtype=np.float64))
        return self.between(self.least, self.most, count)

    def between(self, low: float, high: float, count: int) -> Array:
        """Allowed amounts from `low` to `high`, about `count`, evenly on the logarithm; of `amounts` none."""
        if self.amounts:
            return np.empty(0)
        found = np.geomspace(low, high, count)
        if self.step is None:
            return np.unique(np.clip(found, low, high))
        first, last = math.ceil(low / self.step - 1e-9), math.floor(high / self.step + 1e-9)
        if last - first < count:
            return np.asarray(self.step * np.arange(first, last + 1), dtype=np.float64)
        return np.asarray(self.step * np.unique(np.clip(np.round(found / self.step), first, last)), dtype=np.float64)

    def near(self, amount: float) -> Array:
        """Allowed amounts about one of them, ascending: two on either side."""
        if self.amounts:
            known = self.candidates(0)
            place = int(np.argmin(np.abs(known - amount)))
            return known[max(place - 2, 0) : place + 3]
        apart = np.arange(-2, 3)
        found = amount * 1.015**apart if self.step is None else amount + self.step * apart
        return np.unique(found[(found >= self.least - 1e-9) & (found <= self.most + 1e-9)])

    def doses(self, amount: float, interval: float) -> dict[str, Any]:
        """Columns of the doses, one row with the additional ones written out."""
        time = self.start + interval * np.arange(self.count(interval))
        rate = amount / self.duration if self.duration else 0.0
        return {
            "time": time, "amt": np.full(len(time), amount), "rate": np.full(len(time), rate),
            "cmt": [self.into] * len(time),
        }  # fmt: skip

    def count(self, interval: float) -> int:
        """How many doses are begun within the horizon."""
        return math.ceil(self.horizon / interval - 1e-9)

    def grid(self, target: DoseTarget, interval: float) -> Grid:
        """Times at which the target needs values, in a window that ends with the last interval."""
        end = self.start + self.count(interval) * interval
        begin = end - (interval if target.window is None else target.window)
        if begin < self.start - 1e-9:
            raise PopulationError(
                f"window: got {target.window!r}, wanted at most the {end - self.start:g} that doses are given"
            )
        if METRICS[target.metric].last:
            return Grid(np.array([end]), np.zeros(1))
        given = self.start + interval * np.arange(self.count(interval))
        breaks = np.concatenate([[begin, end], given, given + self.duration])
        edges = np.unique(
            np.concatenate([breaks[(breaks >= begin) & (breaks <= end)], np.linspace(begin, end, PANELS + 1)])
        )
        x, w = np.polynomial.legendre.leggauss(NODES)
        half = 0.5 * np.diff(edges)[:, None]
        nodes, weight = edges[:-1, None] + half * (1.0 + x), half * w
        if METRICS[target.metric].area:
            return Grid(nodes.ravel(), weight.ravel())
        just_after = edges[:-1] + 1e-7 * (end - begin)  # a value at the time of a dose is the one before it
        looks = np.concatenate([edges, just_after])
        time = np.concatenate([nodes.ravel(), looks])
        order = np.argsort(time)
        return Grid(time[order], np.concatenate([weight.ravel(), np.zeros(len(looks))])[order])
