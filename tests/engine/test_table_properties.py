"""Laws of event tables, policies and solvers: what must be the same whichever way it is said or computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import block
from tests.engine.random_tables import MODEL, Record, person, records, table

quick = settings(max_examples=15, deadline=None, database=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def _draw(seed: int, **kinds: bool) -> tuple[list[Record], dict[str, float]]:
    rng = np.random.default_rng(seed)
    return records(rng, **kinds), person(rng)


def _outputs(own: Sequence[Record], who: Mapping[str, float], **options: object) -> np.ndarray:
    found = engine.simulate_arrays(MODEL, who, table([own]), **options)  # type: ignore[arg-type]
    assert not found.status.any()
    return found.outputs["cp"][0]


def _still(own: Sequence[Record]) -> list[Record]:
    """The same with a covariate that stays."""
    return [record | {"wt": 1.3} for record in own]


@quick
@given(seed=seeds)
def test_additional_doses_are_doses(seed: int) -> None:
    """ADDL written out as records of their own, before the other records of their times; without resets."""
    own, who = _draw(seed)
    own = [one | ({"evid": 1} if one["evid"] > 2 and one["amt"] else {}) for one in _still(own)]
    own = [one for one in own if one["evid"] != 3 and one["ss"] == 0]
    if not own:
        return
    written = [
        one | {"time": one["time"] + number * one["ii"], "addl": 0, "ii": 0.0}
        for one in own
        for number in range(1, int(one["addl"]) + 1)
    ]
    first = [one | {"addl": 0, "ii": 0.0} for one in own]
    both = sorted([*((one["time"], 1, one) for one in first), *((one["time"], 0, one) for one in written)], key=_place)
    begin = [own[0] | {"evid": 2, "amt": 0.0, "rate": 0.0, "addl": 0, "ii": 0.0}]
    np.testing.assert_allclose(
        _outputs([*begin, *(one for _, _, one in both)], who), _outputs([*begin, *own], who), rtol=1e-9, atol=1e-12
    )


def _place(entry: tuple[float, int, Record]) -> tuple[float, int]:
    return entry[:2]


@quick
@given(seed=seeds, into=st.integers(1, 2), every=st.sampled_from([4.0, 6.0, 12.0]),
       rate=st.sampled_from([0.0, 4.0, 40.0, -1.0, -2.0]))  # fmt: skip
def test_a_steady_state_is_a_long_run(seed: int, into: int, every: float, rate: float) -> None:
    """The same doses given 200 times before."""
    who = person(np.random.default_rng(seed)) | {"base": 0.0}
    dose = {"time": 0.0, "evid": 1, "amt": 30.0, "cmt": into, "ii": every, "rate": rate, "wt": 1.0, "addl": 0, "ss": 0}
    seen = [
        dose | {"time": time, "evid": 0, "amt": 0.0, "ii": 0.0, "rate": 0.0} for time in (0.0, 1.0, 3.7, 11.0, 25.0)
    ]
    steady = _outputs([dose | {"ss": 1, "addl": 1}, *seen], who)
    long = _outputs([dose | {"time": -200 * every, "addl": 201}, *seen], who)
    np.testing.assert_allclose(steady, long, rtol=1e-9, atol=1e-12)


@quick
@given(seed=seeds, shift=st.floats(-50, 50))
def test_time_has_no_origin(seed: int, shift: float) -> None:
    """Times that meet still meet: the shift is rounded to a binary fraction, as the times are made to be."""
    own, who = _draw(seed)
    moved = [one | {"time": np.round(one["time"] * 64) / 64} for one in own]
    who = who | {"lag": np.round(who["lag"] * 64) / 64}
    later = [one | {"time": one["time"] + np.round(shift)} for one in moved]
    close = np.isclose(_outputs(later, who), _outputs(moved, who), rtol=1e-8, atol=1e-10)
    assert close.mean(where=True) >= 0.8 if close.size else True  # an infusion's end may round to the other side


@quick
@given(seed=seeds, times=st.lists(st.floats(0, 60), max_size=6))
def test_a_stop_changes_nothing(seed: int, times: list[float]) -> None:
    own, who = _draw(seed)
    own = _still(own)
    stop = dict.fromkeys(own[0], 0.0) | {"evid": 2, "wt": 1.3}
    stops = [(max(time, own[0]["time"]), 0, stop | {"time": max(time, own[0]["time"])}) for time in times]
    both = sorted([*((one["time"], number + 1, one) for number, one in enumerate(own)), *stops], key=_place)
    changed = _outputs([own[0] | dict.fromkeys(("amt", "rate", "ss", "ii", "addl"), 0.0) | {"evid": 2}]
                       + [one for _, _, one in both], who)  # fmt: skip
    np.testing.assert_allclose(changed, _outputs(own, who), rtol=1e-9, atol=1e-12)


@quick
@given(seed=seeds, carry=st.sampled_from(["backward", "forward"]))
def test_a_covariate_that_stays_is_a_parameter(seed: int, carry: str) -> None:
    own, who = _draw(seed)
    own = _still(own)
    found = engine.simulate_arrays(MODEL, {**who, "wt": 1.3}, table([own])).outputs["cp"][0]
    np.testing.assert_array_equal(_outputs(own, who, carry=carry), found)


@quick
@given(seed=seeds)
def test_all_that_is_given_is_there_or_has_left(seed: int) -> None:
    """Mass balance while clearance changes from record to record."""
    model = engine.load_model({
        "name": "balance", "reference": "made up for a test", "time": "h",
        "parameters": {name: {"unit": unit, "meaning": name} for name, unit in
                       {"ka": "1/h", "cl": "L/h", "v": "L", "wt": "1"}.items()},
        "states": {"depot": {"unit": "mg"}, "central": {"unit": "mg"}, "out": {"unit": "mg"}},
        "derivatives": {"depot": "-ka * depot", "central": "ka * depot - cl * wt / v * central",
                        "out": "cl * wt / v * central"},
        "outputs": {"all": {"value": "depot + central + out", "unit": "mg"}},
    })  # fmt: skip
    own, who = _draw(seed)
    own = [one | ({"evid": 1} if one["evid"] == 4 else {"evid": 2} if one["evid"] == 3 else {}) for one in own]
    own = [one | {"ss": 0} for one in own if one["amt"] or one["evid"] != 1]
    own = [one | ({"rate": 5.0} if one["rate"] < 0 else {}) for one in own]
    if not own:
        return
    total = sum(one["amt"] * (1 + one["addl"]) for one in own)
    end = dict.fromkeys(own[0], 0.0) | {"time": 500.0, "evid": 0, "wt": 0.7}
    given_ = {name: who[name] for name in ("ka", "cl", "v")}
    found = engine.simulate_arrays(model, given_, table([[*own, end]])).outputs["all"][0]
    np.testing.assert_allclose(found[~np.isnan(found)][-1], total, rtol=1e-9, atol=1e-9)


@settings(quick, max_examples=5)
@given(seed=seeds, size=st.integers(1, 9))
def test_neither_blocks_nor_order_nor_workers_change_a_bit(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = [records(rng, occasions=True) for _ in range(12)]
    people = [person(rng) for _ in range(12)]
    values = {name: np.asarray([one[name] for one in people]) for name in people[0]}
    whole = engine.simulate_arrays(MODEL, values, table(subjects))
    order = rng.permutation(12)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(block, "SIZE", size)
        patched.setattr(block, "_LEAST", 1)
        again = engine.simulate_arrays(
            MODEL, {name: array[order] for name, array in values.items()}, table([subjects[n] for n in order]),
            executor=engine.executors.Threads(2),
        )  # fmt: skip
    np.testing.assert_array_equal(again.outputs["cp"], whole.outputs["cp"][order])
    np.testing.assert_array_equal(again.status, whole.status[order])


@dataclass(frozen=True, slots=True)
class Dice(engine.Policy):
    """Any amounts, at any visits, that follow from what is seen."""

    seed: int
    every: float
    until: float
    visits: tuple[float, ...]
    into: str = "depot"
    observes: tuple[str, ...] = ("cp",)

    def initial(self, covariates: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002
        return np.asarray([50.0])

    def decide(self, visit: int, seen: Mapping[str, np.ndarray], given: np.ndarray) -> np.ndarray:  # noqa: ARG002
        chance = np.random.default_rng([self.seed, visit]).uniform(0, 60)
        return np.where(seen["cp"][:, visit] > 1.0, 0.0, chance)


@settings(quick, max_examples=12)
@given(
    seed=seeds, every=st.sampled_from([3.0, 8.0, 12.5]), until=st.floats(1, 90), lag=st.sampled_from([0.0, 2.0, 12.5]),
    visits=st.lists(st.sampled_from([3.0, 8.0, 12.5, 25.0, 31.7, 60.0]), unique=True, max_size=4),
    solver=st.sampled_from(["closed_form", "taylor"]),
)  # fmt: skip
def test_an_adaptive_run_is_its_replay(
    oral: engine.Model, person: dict[str, float], seed: int, every: float, until: float, lag: float,
    visits: list[float], solver: str,
) -> None:  # fmt: skip
    policy = Dice(seed, every, until, tuple(sorted(visits)))
    times = np.linspace(0, 96, 13)
    out = engine.simulate(oral, person | {"lag": lag}, policy, times, solver=solver)
    again = engine.simulate(oral, person | {"lag": lag}, engine.replay(out), times, solver=solver)
    np.testing.assert_array_equal(again["cp"], out["cp"])


@pytest.mark.parametrize("name", ["taylor", "block_taylor", "reference"])
def test_a_tighter_tolerance_is_closer(effect: engine.Model, patient: dict[str, float], name: str) -> None:
    """Errors against the tightest tolerance fall with the tolerance, and lie near it."""
    from engine.simulation import choose

    chosen, _ = choose(effect, name)
    fields = {"taylor": "tolerance", "block_taylor": "tolerance", "reference": "relative"}
    regimen = engine.Regimen(engine.Dose(100, "depot", every=12, times=4), engine.Dose(30, "central", duration=5, at=3))
    times = np.linspace(0.5, 60, 30)

    def run(tolerance: float) -> np.ndarray:
        solver = replace(chosen, **{fields[name]: tolerance})  # type: ignore[type-var]
        return engine.simulate_arrays(effect, patient, regimen, times, solver=solver).outputs["response"][0]

    best = engine.simulate_arrays(
        effect, patient, regimen, times, solver=replace(choose(effect, "reference")[0], relative=1e-13, absolute=1e-16)
    ).outputs["response"][0]  # type: ignore[type-var]
    errors = [float(np.max(np.abs(run(tolerance) / best - 1))) for tolerance in (1e-4, 1e-7, 1e-10)]
    assert errors[2] <= max(errors[0], 1e-9)
    assert errors[1] < 1e-5
    assert errors[2] < 1e-7
