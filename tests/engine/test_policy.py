"""Policies: what they see and when, what they may not do, and that a replay is the same to the bit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

import engine
from engine import Dose, Regimen


@dataclass(frozen=True, slots=True)
class Halve(engine.Policy):
    """Halve the dose of whoever is seen above a limit; double that of whoever is below half of it."""

    limit: float = 1.0
    into: str = "depot"
    every: float = 12.0
    until: float = 96.0
    visits: tuple[float, ...] = (24.0, 30.0, 60.0)
    observes: tuple[str, ...] = ("cp",)
    start: float = 100.0

    def initial(self, covariates: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.start * covariates["size"] if covariates else np.asarray([self.start])

    def decide(self, visit: int, seen: Mapping[str, np.ndarray], given: np.ndarray) -> np.ndarray:
        now, amount = seen[self.observes[0]][:, visit], given[:, visit]
        assert seen[self.observes[0]].shape == given.shape == (len(given), visit + 1)
        return np.where(now > self.limit, amount / 2, np.where(now < self.limit / 2, amount * 2, amount))


TIMES = np.linspace(0, 120, 31)


def people(person: Mapping[str, float], count: int) -> xr.Dataset:
    rng = np.random.default_rng(8)
    data = {name: ("subject", value * np.exp(0.4 * rng.normal(size=count))) for name, value in person.items()}
    return xr.Dataset(data, coords={"subject": np.arange(count) * 2})


@pytest.mark.parametrize("lag", [0.0, 7.0, 40.0])
@pytest.mark.parametrize("solver", ["auto", "taylor"])
def test_replay_of_a_linear_model_is_the_same_to_the_bit(
    oral: engine.Model, person: dict[str, float], lag: float, solver: str
) -> None:
    cohort = people(person, 20)
    cohort["lag"] = ("subject", np.where(np.arange(20) % 2, lag, lag / 3))
    out = engine.simulate(oral, cohort, Halve(), TIMES, solver=solver)
    assert out.sizes == {"subject": 20, "time": 31, "administration": 8, "visit": 3}
    assert len(np.unique(out["amount"])) > 2
    again = engine.simulate(oral, cohort, engine.replay(out), TIMES, solver=solver)
    for name in ("cp", "total", "status", "subject"):
        np.testing.assert_array_equal(again[name], out[name])


@pytest.mark.parametrize("lag", [0.0, 7.0])
def test_replay_of_a_singular_model_is_the_same_to_the_bit(
    effect: engine.Model, patient: dict[str, float], lag: float
) -> None:
    cohort = people(patient | {"lag": lag, "cl": 0.2}, 40)  # states grow beyond one dose
    policy = Halve(limit=0.6, observes=("response",))
    out = engine.simulate(effect, cohort, policy, TIMES)
    assert out.attrs["solver"] == "block_taylor"
    assert (out["status"] == 0).all()
    again = engine.simulate(effect, cohort, engine.replay(out), TIMES)
    for name in ("cp", "response"):
        np.testing.assert_array_equal(again[name], out[name])


def test_a_decision_follows_what_was_seen_before_the_dose(oral: engine.Model, person: dict[str, float]) -> None:
    out = engine.simulate(oral, person, Halve(into="central", limit=2.0), [24.0, 25.0])
    ke = person["cl"] / person["v"]
    trough = 4 * (np.exp(-ke * 12) + np.exp(-ke * 24))
    np.testing.assert_allclose(out["seen_cp"][0, 0], trough, rtol=1e-13)
    assert out["amount"][0, :2].to_numpy().tolist() == [100, 100]
    expected = 100 if 1 <= trough <= 2 else 200
    assert out["amount"][0, 2] == expected
    np.testing.assert_allclose(out["cp"][0, 0], trough + expected / 25, rtol=1e-13)
    before = engine.simulate(oral, person, Halve(into="central", limit=2.0), [24.0], before_dose=True)
    np.testing.assert_allclose(before["cp"][0, 0], trough, rtol=1e-13)


def test_without_changes_it_is_the_regimen(oral: engine.Model, person: dict[str, float]) -> None:
    cohort = people(person, 5)
    out = engine.simulate(oral, cohort, replace(Halve(), limit=np.inf, visits=()), TIMES)
    plain = engine.simulate(oral, cohort, Regimen(Dose(100, "depot", every=12, times=8)), TIMES)
    np.testing.assert_array_equal(out["cp"], plain["cp"])
    assert out["dose_time"].to_numpy().tolist() == [12.0 * n for n in range(8)]


def test_it_sees_only_what_the_protocol_shows(oral: engine.Model, person: dict[str, float]) -> None:
    asked: list[tuple[str, int, int]] = []

    def observe(output: str, visit: int, values: np.ndarray) -> np.ndarray:
        asked.append((output, visit, len(values)))
        return np.full_like(values, 99.0)

    out = engine.simulate(oral, people(person, 4), Halve(), TIMES, observe=observe)
    assert asked == [("cp", 0, 4), ("cp", 1, 4), ("cp", 2, 4)]
    assert (out["seen_cp"] == 99).all()
    assert (out["amount"][:, -1] == 100 / 8).all()


def test_the_first_amount_may_look_at_covariates(oral: engine.Model, person: dict[str, float]) -> None:
    size = xr.Dataset({"size": ("subject", [1.0, 2.0, 0.5])})
    out = engine.simulate(oral, people(person, 3), Halve(), TIMES, covariates=size)
    assert out["amount"][:, 0].to_numpy().tolist() == [100, 200, 50]


def test_a_subject_that_fails_is_left_out_and_hurts_nobody(effect: engine.Model, patient: dict[str, float]) -> None:
    cohort = people(patient, 6)
    policy = Halve(limit=0.6, observes=("response",))
    sound = engine.simulate(effect, cohort, policy, TIMES)
    cohort["kout"][2] = np.nan
    cohort["ka"][4] = -60.0
    out = engine.simulate(effect, cohort, policy, TIMES)
    good = [0, 1, 3, 5]
    assert out["status"][2] == engine.Status.bad_parameter
    assert out["status"][4] != engine.Status.ok
    assert np.isnan(out["amount"][[2, 4]]).all()
    np.testing.assert_array_equal(out["response"][good], sound["response"][good])
    np.testing.assert_array_equal(out["amount"][good], sound["amount"][good])


def test_every_executor_gives_the_same(effect: engine.Model, patient: dict[str, float]) -> None:
    cohort, policy = people(patient, 520), Halve(limit=0.6, observes=("response",))
    out = engine.simulate(effect, cohort, policy, [120.0])
    for executor in (engine.executors.Threads(2), engine.executors.Dask(workers=2)):
        again = engine.simulate(effect, cohort, policy, [120.0], executor=executor)
        np.testing.assert_array_equal(again["response"], out["response"])
        np.testing.assert_array_equal(again["amount"], out["amount"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"into": "gut"}, "policy: into: model oral has no state 'gut'"),
        ({"every": 0.0}, "every is 0.0"),
        ({"until": np.inf}, "until is inf"),
        ({"visits": (0.0, 5.0)}, "visits are .*increasing times after 0"),
        ({"visits": (7.0, 5.0)}, "increasing times after 0"),
        ({"observes": ("ct",)}, "observes 'ct', which model oral has not; it has cp, total"),
        ({"start": -5.0}, r"initial\(\) gave -5.0; a finite amount"),
        ({"start": np.nan}, "gave nan"),
    ],
)
def test_policies_that_make_no_sense_are_refused(
    oral: engine.Model, person: dict[str, float], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(engine.DosingError, match=message):
        engine.simulate(oral, person, replace(Halve(), **changes), TIMES)


def test_amounts_of_the_wrong_shape_are_refused(oral: engine.Model, person: dict[str, float]) -> None:
    with pytest.raises(engine.DataError, match="size has 2 subjects; the parameters have 3"):
        engine.simulate(
            oral, people(person, 3), Halve(), TIMES, covariates=xr.Dataset({"size": ("subject", [1.0, 2.0])})
        )


def test_only_a_policys_result_can_be_replayed(oral: engine.Model, person: dict[str, float]) -> None:
    with pytest.raises(engine.DosingError, match="the result of simulating a policy is wanted"):
        engine.replay(engine.simulate(oral, person, Regimen(), [0.0]))
