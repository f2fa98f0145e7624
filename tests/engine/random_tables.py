"""Random event tables with every kind of record, for a model whose every part changes with a covariate.

Times, intervals and lags are taken from a few values, so that they meet: lags of exactly one interval, infusions that
end at a record, records at one time.
"""

from collections.abc import Sequence

import numpy as np

import engine
from engine.dosing.events import from_records
from tests.engine.naive_nonmem import System, linear

type Record = dict[str, float]

_HOW = {"lag": "lag * wt", "bioavailability": "f / wt", "duration": "d * wt", "rate": "r * wt"}
_UNITS = {"ka": "1/h", "cl": "L/h", "v": "L", "lag": "h", "f": "1", "d": "h", "r": "mg/h", "base": "mg", "wt": "1"}
MODEL = engine.load_model({
    "name": "covariate", "reference": "made up for a test", "time": "h",
    "parameters": {name: {"unit": unit, "meaning": name} for name, unit in _UNITS.items()},
    "states": {"depot": {"unit": "mg", **_HOW}, "central": {"unit": "mg", **_HOW, "initial": "base * wt"}},
    "derivatives": {"depot": "-ka * depot", "central": "ka * depot - cl * wt / v * central"},
    "outputs": {"cp": {"value": "central / v * wt", "unit": "mg/L"}},
})  # fmt: skip
"""Everything but the absorption depends on ``wt``: elimination, doses, initial state, output."""

NAIVE = System(
    initial=lambda p: np.asarray([0.0, p["base"] * p["wt"]]),
    enter=lambda p: [(p["lag"] * p["wt"], p["f"] / p["wt"], p["d"] * p["wt"], p["r"] * p["wt"])] * 2,
    output=lambda _, state, p: state[1] / p["v"] * p["wt"],
    advance=linear(lambda p: np.asarray([[-p["ka"], 0.0], [p["ka"], -p["cl"] * p["wt"] / p["v"]]])),
)
"""The same, written a second time."""


def person(rng: np.random.Generator) -> dict[str, float]:
    """Parameters of one subject; every dose has left within some 10 cycles."""
    return {
        "ka": float(rng.uniform(0.3, 3)), "cl": float(rng.uniform(2, 20)), "v": float(rng.uniform(10, 40)),
        "lag": float(rng.choice([0, 0, 0.7, 3, 6, 12])), "f": float(rng.choice([1, 0.5])),
        "d": float(rng.choice([0.5, 2, 9])), "r": float(rng.choice([3, 20])), "base": float(rng.choice([0, 0, 5])),
    }  # fmt: skip


def records(rng: np.random.Generator, *, adding: bool = True, occasions: bool = False) -> list[Record]:
    """Records of one subject; ``adding``: with SS 2 too; ``occasions``: time may start again at a reset."""
    count = int(rng.integers(3, 14))
    times = np.sort(rng.choice(np.arange(49), count) * rng.choice([0.5, 1.0, 0.37]))
    weight, begin, found = 1.0, 0.0, []
    for number, time in enumerate(times):
        if rng.random() < 0.4:
            weight = float(rng.choice([0.5, 0.8, 1.0, 1.3, 2.0]))
        evid = int(rng.choice([0, 0, 0, 1, 1, 1, 2, 3, 4] if number else [1, 1, 1, 4, 0]))
        if occasions and evid > 2 and rng.random() < 0.5:
            begin = float(time)
        one = {"time": float(time) - begin, "evid": evid, "cmt": int(rng.integers(0, 3)), "wt": weight}
        found.append(dict.fromkeys(("amt", "addl", "ii", "ss", "rate"), 0.0) | one)
        if evid in (1, 4):
            found[-1] |= _dose(rng, adding)
    return found


def _dose(rng: np.random.Generator, adding: bool) -> Record:
    amount, rate = float(rng.choice([10, 100, 33.3])), float(rng.choice([0, 0, 5, 40, -1, -2]))
    every, states = float(rng.choice([0, 4, 6, 12])), [0, 0, 1, 2] if adding else [0, 0, 1]
    if every:
        more, steady = int(rng.integers(0, 4)), int(rng.choice(states))
        return {"amt": amount, "rate": rate, "ii": every, "ss": steady, "addl": more or int(steady == 0)}
    if rng.random() < 0.1:  # a constant infusion, or nothing at all, for ever
        return {"amt": 0.0, "rate": float(rng.choice([7, -1, 0])), "ss": int(rng.choice(states[2:]))}
    return {"amt": amount, "rate": rate}


def table(subjects: Sequence[Sequence[Record]]) -> engine.EventTable:
    """Event table of many subjects' records."""
    who = np.repeat(np.arange(len(subjects)), [len(own) for own in subjects])
    columns = {name: np.asarray([one[name] for own in subjects for one in own]) for name in subjects[0][0]}
    time, weight = columns.pop("time"), columns.pop("wt")
    return from_records(np.arange(len(subjects)), who, time, columns={"WT": weight}, **columns)
