"""A second, deliberately plain reading of NONMEM's event rules: one subject, one thing after another, no arrays.

It knows nothing of engine.dosing. Records are taken in their order; between them the system is advanced from one
arrival, or end of an infusion, to the next. A steady state is what comes of giving the dose again and again.
Rules: NONMEM Users Guide part VI (PREDPP), chapter V; of covariates, chapter II.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

ENOUGH = 20_000
"""Cycles after which a dose has no steady state."""


@dataclass
class System:
    """What is advanced, and what the records' parameters (a mapping ``p``) mean for doses and observations.

    ``enter(p)[n]`` is lag, bioavailability, duration and rate of compartment ``n`` (from 0).
    """

    initial: Callable[[Mapping[str, float]], np.ndarray]
    enter: Callable[[Mapping[str, float]], Sequence[tuple[float, float, float, float]]]
    output: Callable[[float, np.ndarray, Mapping[str, float]], float]
    advance: Callable[[float, np.ndarray, float, np.ndarray, Mapping[str, float]], np.ndarray]


def linear(matrix: Callable[[Mapping[str, float]], np.ndarray]) -> Callable[..., np.ndarray]:
    """Advance dx/dt = A x + u exactly."""
    known: dict[Any, np.ndarray] = {}

    def advance(_time: float, state: np.ndarray, length: float, flow: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        key = (length, tuple(p.items()))
        if key not in known:
            size = len(state)
            whole = np.zeros((2 * size, 2 * size))
            whole[:size, :size], whole[:size, size:] = matrix(p), np.eye(size)
            if len(known) > 1000:
                known.clear()
            known[key] = expm(whole * length)[:size]
        return known[key] @ np.concatenate([state, flow])

    return advance


def nonlinear(
    derivative: Callable[[float, np.ndarray, Mapping[str, float]], np.ndarray], tolerance: float = 1e-11
) -> Callable[..., np.ndarray]:
    """Advance any equations by scipy."""

    def advance(time: float, state: np.ndarray, length: float, flow: np.ndarray, p: Mapping[str, float]) -> np.ndarray:
        found = solve_ivp(
            lambda t, x: np.asarray(derivative(t, x, p)) + flow, (time, time + length), state, method="LSODA",
            rtol=tolerance, atol=tolerance * 1e-3,
        )  # fmt: skip
        assert found.success
        return found.y[:, -1]

    return advance


@dataclass
class Dose:
    """An amount on its way: a bolus (``rate`` 0) or an infusion."""

    arrives: float
    into: int
    amount: float
    rate: float = 0.0
    lasts: float = 0.0


@dataclass
class Person:
    """State of one subject; ``flowing`` are (end, compartment, rate), ``pending`` the doses on their way."""

    system: System
    state: np.ndarray
    time: float
    flowing: list[tuple[float, int, float]] = field(default_factory=list)
    pending: list[Dose] = field(default_factory=list)

    def advance(self, until: float, p: Mapping[str, float]) -> None:
        """Go on to a time, and do what is due on the way and at it."""
        while True:
            due = [until, *(end for end, _, _ in self.flowing), *(dose.arrives for dose in self.pending)]
            then = min(due)
            if then > self.time:
                flow = np.zeros(len(self.state))
                for _, into, rate in self.flowing:
                    flow[into] += rate
                self.state = self.system.advance(self.time, self.state, then - self.time, flow, p)
                self.time = then
            self.flowing = [one for one in self.flowing if one[0] > self.time]
            arrived = [dose for dose in self.pending if dose.arrives <= self.time]
            self.pending = [dose for dose in self.pending if dose.arrives > self.time]
            for dose in arrived:
                self.receive(dose)
            if self.time >= until and not arrived:
                return

    def receive(self, dose: Dose) -> None:
        """Let a dose in."""
        if dose.rate > 0 and dose.lasts > 0:
            self.flowing.append((dose.arrives + dose.lasts, dose.into, dose.rate))
        elif dose.rate == 0:
            self.state = self.state.copy()
            self.state[dose.into] += dose.amount

    def give(self, dose: Dose) -> None:
        """Let it in if it has no lag, else wait for it."""
        if dose.arrives <= self.time:
            self.receive(dose)
        else:
            self.pending.append(dose)

    def forget(self) -> None:
        """Stop what flows and cancel what is pending."""
        self.flowing, self.pending = [], []


def dose_of(system: System, record: Mapping[str, float], p: Mapping[str, float], time: float) -> Dose:
    """The dose of a record with these parameters, recorded at this time."""
    into = max(int(record["cmt"]), 1) - 1
    lag, share, lasts, rate = system.enter(p)[into]
    amount = record["amt"] * share
    if record["rate"] > 0:
        return Dose(time + lag, into, amount, record["rate"], amount / record["rate"])
    if record["rate"] == -1:
        return Dose(time + lag, into, amount, rate, amount / rate)
    if record["rate"] == -2:
        return Dose(time + lag, into, amount, amount / lasts, lasts)
    return Dose(time + lag, into, amount)


def settle(person: Person, record: Mapping[str, float], p: Mapping[str, float]) -> None:
    """Do the steady state of a record: SS 1 replaces what there is, SS 2 adds to it."""
    adds = record["ss"] == 2
    if not adds:
        person.forget()
    start = np.zeros_like(person.state) if adds else person.system.initial(p)
    one = Person(person.system, start, 0.0)
    if record["amt"] == 0:  # an infusion since ever, which stops here
        into = max(int(record["cmt"]), 1) - 1
        rate = person.system.enter(p)[into][3] if record["rate"] == -1 else record["rate"]
        one.flowing = [(np.inf, into, rate)]
        _repeat(one, None, 8.0, p)
        one.flowing = []
    else:
        _repeat(one, record, record["ii"], p)
    shift = person.time - one.time
    person.state = person.state + one.state if adds else one.state
    person.flowing += [(end + shift, into, rate) for end, into, rate in one.flowing]
    person.pending += [Dose(d.arrives + shift, d.into, d.amount, d.rate, d.lasts) for d in one.pending]


def _repeat(one: Person, record: Mapping[str, float] | None, every: float, p: Mapping[str, float]) -> None:
    """Give the dose every ``every`` until nothing changes any more from one to the next."""
    before = one.state
    settled = 0
    waiting = 0
    for number in range(ENOUGH):
        if record is not None:
            one.give(dose_of(one.system, record, p, one.time))
        one.advance((number + 1) * every, p)
        same = np.allclose(one.state, before, rtol=1e-14, atol=1e-300)
        alike = len(one.pending) + len(one.flowing) == waiting
        settled, before, waiting = settled + 1 if same and alike else 0, one.state, len(one.pending) + len(one.flowing)
        if settled > 3:
            return
    raise AssertionError("no steady state")


def interpret(
    system: System, records: Sequence[Mapping[str, float]], parameters: Sequence[Mapping[str, float]],
    carry: str = "backward",
) -> list[float]:  # fmt: skip
    """Output at each observation record; ``parameters`` are those of each record."""
    person = Person(system, system.initial(parameters[0]), records[0]["time"])
    found = []
    for number, (record, own) in enumerate(zip(records, parameters, strict=True)):
        if record["evid"] in (3, 4) and record["time"] < person.time:  # another occasion
            person.forget()
            person.time = record["time"]
        over = own if carry == "backward" else parameters[max(number - 1, 0)]
        person.advance(record["time"], over)
        if record["evid"] in (3, 4):
            person.forget()
            person.state = system.initial(own)
        if record["evid"] in (1, 4):
            if record["ss"]:
                settle(person, record, own)
            if record["amt"] > 0:
                person.give(dose_of(system, record, own, record["time"]))
            for more in range(1, int(record["addl"]) + 1):
                due = record["time"] + more * record["ii"]
                person.pending.append(dose_of(system, record, _at(due, number, records, parameters, carry), due))
        if record["evid"] == 0:
            found.append(system.output(record["time"], person.state, own))
    return found


def _at(
    due: float, given: int, records: Sequence[Mapping[str, float]], parameters: Sequence[Mapping[str, float]],
    carry: str,
) -> Mapping[str, float]:  # fmt: skip
    """Parameters of the time between records in which an additional dose is due."""
    after = [n for n in range(given, len(records)) if records[n]["time"] >= due]
    if carry == "backward":
        return parameters[after[0] if after else len(records) - 1]
    return parameters[after[0] - 1 if after else len(records) - 1]
