"""The search for the dose that meets a target."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array
from cohorts.twins import weighted
from cohorts.twins.forecasting import ahead, courses_of, values
from cohorts.twins.records import PatientRecord
from cohorts.twins.targets import METRICS, DosePlan, DoseTarget

if TYPE_CHECKING:
    from cohorts.twins.patient import Twin
    from cohorts.twins.problem import Index

COARSE, FINE, ROUNDS = 13, 6, 4
"""Amounts tried over the whole range, amounts tried between neighbours of the best, and how often."""


@dataclass(frozen=True, slots=True, eq=False)
class Recommendation:
    """The dose found, and what it reaches.

    Attributes
    ----------
    met
        Whether it meets the target.
    amount, interval
        Dose and interval between doses; the nearest to the target where none meets it.
    probability, probability_mcse
        Probability that the metric lies in the target's range, and its Monte Carlo standard error.
    expected, expected_mcse
        Expected value of the metric, and its error.
    lower, upper
        Interval of the metric with a probability of 90 %.
    statement
        All of this in one sentence.
    tried
        Every dose tried, (candidate): amount, interval, probability, expected and their errors.
    """

    met: bool
    amount: float
    interval: float
    probability: float
    probability_mcse: float
    expected: float
    expected_mcse: float
    lower: float
    upper: float
    statement: str
    tried: xr.Dataset


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """A search under way: which twin, for what, and the particles that are looked at."""

    twin: "Twin"
    target: DoseTarget
    plan: DosePlan
    draw: "Index"
    x: Array
    weight: Array
    occasion: str

    def metric(self, amounts: Array, interval: float) -> Array:
        """The metric of each particle under each amount, (amount, particle)."""
        group, target = self.twin.group, self.target
        grid = self.plan.grid(target, interval)
        none = np.zeros(len(amounts), dtype=np.intp)
        problem, x, now = ahead(
            group.problem, self.x[None], occasion=self.occasion, seed=group.basis.seed, numbers=group.numbers
        )
        many = problem.of(none)
        more = [PatientRecord(None, self.plan.doses(float(a), interval), {}) for a in amounts]
        courses = courses_of(many, [grid.time] * len(amounts), [target.output], more, now)
        shape = (len(amounts), len(self.draw))
        rows = values(many, courses, np.broadcast_to(self.draw, shape), np.broadcast_to(x, (*shape, x.shape[-1])))
        if not np.isfinite(rows).all():
            raise PopulationError(
                f"{target.output}: the model cannot be solved for a dose from {amounts[0]:g} to {amounts[-1]:g}"
            )
        return METRICS[target.metric].measure(rows, grid, target.limits)

    def score(self, metric: Array) -> dict[str, Array]:
        """Probability of the range and expected metric of each amount, with their errors."""
        weight = np.broadcast_to(self.weight, metric.shape)
        inside = ((metric >= self.target.low) & (metric <= self.target.high)).astype(np.float64)
        p, p_error = weighted.mean(inside, weight)
        m, m_error = weighted.mean(metric, weight)
        return {"probability": p, "probability_mcse": p_error, "expected": m, "expected_mcse": m_error}


def recommend(
    twin: "Twin", target: DoseTarget, plan: DosePlan, *, particles: int = 1000, occasion: str = "same"
) -> Recommendation:
    """The dose and interval that meet a target.

    Among doses that meet it the one chosen is: for a range the most probable (for an expected value, the nearest to the
    middle of the range); for a lower limit the least dose per time, for an upper limit the greatest. The search looks
    over the whole range of amounts and then closer about the best; the same particles serve all doses.

    Parameters
    ----------
    twin
        The patient.
    target, plan
        What is wanted, and what may be given.
    particles
        Equally weighted draws the search looks at; the best dose and its neighbours are judged with all particles.
    occasion
        As for `Twin.forecast`.
    """
    rows = twin.resampled(min(particles, len(twin.weight)))
    p = twin.group.particles
    quick = _Search(twin, target, plan, p.draw[0, rows], p.x[0, rows], np.full(len(rows), 1.0 / len(rows)), occasion)
    whole = _Search(twin, target, plan, p.draw[0], p.x[0], p.weight[0], occasion)
    tried = [_over(quick, interval) for interval in plan.intervals]
    table = xr.concat(tried, "candidate")
    best = _pick(target, table)
    amount, interval = float(table["amount"][best]), float(table["interval"][best])
    last = _tried(whole, plan.near(amount), interval)
    amount = float(last["amount"][_pick(target, last)])
    metric = whole.metric(np.array([amount]), interval)
    found = {n: float(v[0]) for n, v in whole.score(metric).items()}
    lower, upper = (float(weighted.quantile(metric, whole.weight[None], q)[0][0]) for q in (0.05, 0.95))
    met = bool(_meets(target, found["probability"], found["expected"]))
    statement = _statement(target, plan, met, (amount, interval), found)
    return Recommendation(
        met,
        amount,
        interval,
        **found,
        lower=lower,
        upper=upper,
        statement=statement,
        tried=xr.concat([table, last], "candidate"),
    )


def _over(search: _Search, interval: float) -> xr.Dataset:
    """Amounts tried at one interval, ascending."""
    found = _tried(search, search.plan.candidates(COARSE), interval)
    for _ in range(ROUNDS if not search.plan.amounts else 0):
        best, amounts = _pick(search.target, found), found["amount"].to_numpy()
        low, high = amounts[max(best - 1, 0)], amounts[min(best + 1, len(amounts) - 1)]
        closer = np.setdiff1d(search.plan.between(float(low), float(high), FINE + 2), amounts)
        if not len(closer):
            break
        found = xr.concat([found, _tried(search, closer, interval)], "candidate").sortby("amount")
    return found


def _tried(search: _Search, amounts: Array, interval: float) -> xr.Dataset:
    columns = {
        "amount": amounts,
        "interval": np.full(len(amounts), interval),
        **search.score(search.metric(amounts, interval)),
    }
    return xr.Dataset({n: ("candidate", v) for n, v in columns.items()})


def _meets(target: DoseTarget, probability: Array | float, expected: Array | float) -> Array:
    if target.probability is None:
        return np.asarray((np.asarray(expected) >= target.low) & (np.asarray(expected) <= target.high))
    return np.asarray(np.asarray(probability) >= target.probability)


def _pick(target: DoseTarget, table: xr.Dataset) -> int:
    """Position of the best of the doses tried; `recommend` says which that is."""
    p, m = table["probability"].to_numpy(), table["expected"].to_numpy()
    meets = _meets(target, p, m)
    speed = (table["amount"] / table["interval"]).to_numpy()
    two_sided = math.isfinite(target.low) and math.isfinite(target.high)
    if meets.any() and not two_sided:
        order = speed if math.isfinite(target.low) else -speed
        return int(np.argmin(np.where(meets, order, np.inf)))
    if target.probability is not None:
        return int(np.argmax(p))
    goal = 0.5 * (target.low + target.high) if two_sided else (target.low if math.isfinite(target.low) else target.high)
    return int(np.argmin(np.abs(m - goal)))


def _statement(
    target: DoseTarget, plan: DosePlan, met: bool, dose: tuple[float, float], found: dict[str, float]
) -> str:
    reached = f"P({target.text}) = {found['probability']:.3f} (Monte Carlo error {found['probability_mcse']:.3f})"
    value = f"expected {target.metric} {found['expected']:.4g} (Monte Carlo error {found['expected_mcse']:.2g})"
    wanted = (
        "the expected value in the range" if target.probability is None else f"a probability of {target.probability:g}"
    )
    text = f"{dose[0]:.6g} every {dose[1]:g}"
    if met:
        near = (
            target.probability is not None
            and found["probability"] - target.probability < 2.0 * found["probability_mcse"]
        )
        doubt = "; the margin is within Monte Carlo error" if near else ""
        return f"{text} meets {wanted}: {reached}, {value}{doubt}."
    amounts = plan.candidates(COARSE)
    every = " or ".join(f"{i:g}" for i in plan.intervals)
    none = f"No dose from {amounts[0]:.6g} to {amounts[-1]:.6g} every {every} meets {wanted}"
    return f"{none}; the nearest, {text}, reaches {reached}, {value}."
