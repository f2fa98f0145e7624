"""Operating characteristics by hand on small outcomes, and their Monte Carlo errors by repetition."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.base import OUTPUTS
from trials.errors import TrialError
from trials.operating import characteristics, differences, exact_interval, interval

DIMS = ("scenario", "replicate", "analysis")


def outcomes(columns, *, scenarios=("null", "effect"), analyses=("t",), decides=True):
    """Dataset of outcomes from columns of any shape that broadcasts to (scenario, replicate, analysis)."""
    replicates = np.asarray(columns["estimate"]).shape[-2]
    shape = (len(scenarios), replicates, len(analyses))
    defaults = dict.fromkeys(OUTPUTS, np.nan) | {"decision": False, "failed": False, "n": 24, "duration": 240.0}
    made = {name: (DIMS, np.broadcast_to(column, shape).copy()) for name, column in (defaults | columns).items()}
    decides = ("analysis", [decides] * len(analyses))
    return xr.Dataset(made, coords={"scenario": list(scenarios), "analysis": list(analyses), "decides": decides})


def truth(effect, mcse=0.0, null=(True, False), analyses=("t",), scenarios=("null", "effect")):
    shape = (len(scenarios), len(analyses))
    columns = {"effect": effect, "mcse": mcse, "null": np.asarray(null)[:, None], "replicates": 128}
    made = {name: (DIMS[::2], np.broadcast_to(column, shape).copy()) for name, column in columns.items()}
    return xr.Dataset(made, coords={"scenario": list(scenarios), "analysis": list(analyses)})


def normal_trials(rng, replicates=500, effect=0.3, se=0.2):
    """Outcomes of a z test of a normal mean in two scenarios."""
    estimate = np.array([0.0, effect])[:, None, None] + se * rng.standard_normal((2, replicates, 1))
    se = np.full_like(estimate, se)
    return outcomes({"estimate": estimate, "se": se, "lower": estimate - 1.96 * se, "upper": estimate + 1.96 * se,
                     "decision": np.abs(estimate) > 1.96 * se})  # fmt: skip


def small():
    columns = {
        "estimate": [[1.0], [2.0], [4.0], [np.nan]],
        "se": [[1.0], [2.0], [2.0], [np.nan]],
        "lower": [[0.0], [1.6], [3.0], [np.nan]],
        "upper": [[2.0], [2.4], [5.0], [np.nan]],
        "decision": [[True], [False], [True], [False]],
        "failed": [[False], [False], [False], [True]],
        "n": [[20], [22], [24], [24]],
        "probability": [[0.5], [0.7], [0.9], [np.nan]],
    }
    return characteristics(outcomes(columns), truth(1.5, 0.3))["effect"]["t"]


def test_every_value_by_hand():
    found = small()
    want = {
        "power": (0.5, 4), "truth": (1.5, 128), "estimate": (7 / 3, 3), "bias": (7 / 3 - 1.5, 3),
        "coverage": (1 / 3, 3), "mse": ((0.25 + 0.25 + 6.25) / 3, 3), "model_se": (np.sqrt(3), 3),
        "empirical_se": (np.std([1, 2, 4], ddof=1), 3), "n": (22.5, 4), "duration": (240.0, 4),
        "failed": (1.0, 4), "failure_rate": (0.25, 4), "probability": (0.7, 3),
        "relative_error_se": (100 * (np.sqrt(3) / np.std([1, 2, 4], ddof=1) - 1), 3),
    }  # fmt: skip
    assert set(found) == set(want)
    for name, (value, replicates) in want.items():
        assert found[name]["value"] == pytest.approx(value), name
        assert found[name]["replicates"] == replicates, name


def test_every_error_by_hand():
    found = small()
    spread = np.std([1, 2, 4], ddof=1)
    errors = np.array([0.25, 0.25, 6.25])
    bias = np.hypot(spread / np.sqrt(3), 0.3)
    model = np.sqrt(np.var([1, 4, 4], ddof=1) / (4 * 3 * 3))
    relative = np.sqrt(np.var([1, 4, 4], ddof=1) / (4 * 3 * 3**2) + 1 / 4)
    want = {
        "power": np.sqrt(0.25 / 4),
        "truth": 0.3,
        "estimate": spread / np.sqrt(3),
        "bias": bias,
        # at 1.8 two intervals hold the truth, at 1.2 one: half the difference is the truth's share
        "coverage": np.hypot(np.sqrt(2 / 9 / 3), (2 / 3 - 1 / 3) / 2),
        "mse": np.hypot(errors.std(ddof=1) / np.sqrt(3), 2 * (7 / 3 - 1.5) * 0.3),
        "empirical_se": spread / np.sqrt(4),
        "model_se": model,
        "relative_error_se": 100 * np.sqrt(3) / spread * relative,
        "failed": np.sqrt(4 * 0.25 * 0.75),
        "failure_rate": np.sqrt(0.25 * 0.75 / 4),
        "duration": 0.0,
        "n": np.std([20, 22, 24, 24], ddof=1) / 2,
    }
    for name, mcse in want.items():
        assert found[name]["mcse"] == pytest.approx(mcse), name


@cache
def repetitions():
    """Characteristics of one scenario in 300 runs that differ by chance alone."""
    rng, effects, runs = np.random.default_rng(3), truth([[0.0], [0.3]]).isel(scenario=[1]), []
    for _ in range(300):
        sample = 0.3 + rng.standard_normal((2, 150, 1, 12)) * 0.6
        estimate, se = sample.mean(-1), sample.std(-1, ddof=1) / np.sqrt(12)
        columns = {"estimate": estimate, "se": se, "lower": estimate - 2.2 * se, "upper": estimate + 2.2 * se}
        made = outcomes(columns | {"decision": estimate > 2.2 * se}).isel(scenario=[1])
        runs.append(characteristics(made, effects)["effect"]["t"])
    return runs


@pytest.mark.parametrize("name", ["power", "bias", "coverage", "empirical_se", "mse", "model_se", "relative_error_se"])
def test_errors_are_the_spread_over_repetitions(name):
    spread = np.std([run[name]["value"] for run in repetitions()], ddof=1)
    assert np.mean([run[name]["mcse"] for run in repetitions()]) == pytest.approx(spread, rel=0.14)


def test_a_decision_under_the_null_is_a_type_i_error():
    found = characteristics(normal_trials(np.random.default_rng(1), 4000), truth([[0.0], [0.3]]))
    assert "power" not in found["null"]["t"]
    assert "type_1_error" not in found["effect"]["t"]
    error, power = found["null"]["t"]["type_1_error"], found["effect"]["t"]["power"]
    assert error["value"] == pytest.approx(0.05, abs=3 * error["mcse"])
    assert power["value"] == pytest.approx(
        stats.norm.sf(1.96 - 1.5) + stats.norm.cdf(-1.96 - 1.5), abs=3 * power["mcse"]
    )


def test_a_failed_replicate_is_no_decision_even_if_it_says_one():
    made = normal_trials(np.random.default_rng(1), 50)
    made["decision"][:] = True
    made["failed"][:, :10] = True
    found = characteristics(made, truth([[0.0], [0.3]]))["effect"]["t"]
    assert found["power"]["value"] == 0.8
    assert (found["power"]["replicates"], found["bias"]["replicates"], found["failed"]["value"]) == (50, 40, 10)


def test_nothing_left_to_average_is_none_and_not_a_number_from_nowhere():
    made = normal_trials(np.random.default_rng(1), 5)
    made["failed"][:] = True
    found = characteristics(made, truth([[0.0], [0.3]]))["effect"]["t"]
    assert found["bias"] == found["empirical_se"] == {"value": None, "mcse": None, "replicates": 0}
    assert found["coverage"] == {"value": None, "mcse": None, "replicates": 0}
    assert found["power"]["value"] == 0.0
    assert found["failure_rate"]["value"] == 1.0


def test_a_description_has_no_power():
    made = outcomes({"estimate": [[1.0], [2.0]], "se": [[1.0], [1.0]]}, decides=False)
    found = characteristics(made, truth(1.5))["effect"]["t"]
    assert not {"power", "type_1_error"} & set(found)
    assert found["coverage"] == {"value": None, "mcse": None, "replicates": 0}


def test_every_further_outcome_is_averaged():
    made = normal_trials(np.random.default_rng(1), 40)
    made["cv_within"] = (DIMS, np.linspace(0.1, 0.3, 80).reshape(2, 40, 1))
    made["subjects_failed"] = (DIMS[:2], np.ones((2, 40)))
    found = characteristics(made, truth([[0.0], [0.3]]))["null"]["t"]
    assert found["cv_within"]["value"] == pytest.approx(made["cv_within"].sel(scenario="null").mean().item())
    assert found["subjects_failed"] == {"value": 1.0, "mcse": 0.0, "replicates": 40}
    assert "probability" not in found


def test_a_result_brings_its_truth_and_what_its_scenarios_declare_null():
    made, effects = normal_trials(np.random.default_rng(1), 50), truth([[0.0], [0.3]]).drop_vars("null")
    trial = SimpleNamespace(
        scenarios=[SimpleNamespace(name="null", null=("t",)), SimpleNamespace(name="effect", null=())],
        protocol=SimpleNamespace(analysis=lambda _: SimpleNamespace(decides=True)),
        families=(),
    )
    result = SimpleNamespace(outcomes=made.drop_vars("decides"), truth=effects, trial=trial)
    assert characteristics(result) == characteristics(made, truth([[0.0], [0.3]]))


def test_common_random_numbers_sharpen_a_difference():
    rng = np.random.default_rng(5)
    shared = 0.2 * rng.standard_normal((1, 300, 1))
    estimate = np.concatenate([shared, shared + 0.3 + 0.01 * rng.standard_normal(shared.shape)])
    made = outcomes({"estimate": estimate, "decision": estimate > 0.33})
    found = differences(made, "effect", "null")["t"]
    change = (estimate[1] - estimate[0])[:, 0]
    assert found["estimate"]["value"] == pytest.approx(change.mean())
    assert found["estimate"]["mcse"] == pytest.approx(change.std(ddof=1) / np.sqrt(300))
    assert found["estimate"]["mcse"] < 0.1 * 0.2 / np.sqrt(300)
    assert found["decision"]["value"] == pytest.approx((estimate[1] > 0.33).mean() - (estimate[0] > 0.33).mean())
    assert found["n"]["value"] == 0
    with pytest.raises(TrialError, match=r"scenario: got 'harm', wanted one of null, effect"):
        differences(made, "harm", "null")


def test_the_order_and_selection_of_scenarios_do_not_matter():
    made, effects = normal_trials(np.random.default_rng(6), 60), truth([[0.0], [0.3]])
    turned = characteristics(made.isel(scenario=[1, 0]), effects)
    assert turned == characteristics(made, effects)
    assert list(characteristics(made.sel(scenario=["effect"]), effects)) == ["effect"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made, _: (made, None), "truth: got None, wanted a Dataset"),
        (lambda made, effects: (made.drop_vars("se"), effects), "outcomes: got .*, wanted se as well"),
        (lambda made, effects: (made.drop_vars("decides"), effects), "outcomes: got .*, wanted decides as well"),
        (lambda made, effects: (made.isel(scenario=0), effects), "outcomes: .* wanted scenario as well"),
        (lambda made, effects: (made, effects.drop_vars("mcse")), "truth: got .*, wanted mcse as well"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(change, words):
    made, effects = change(normal_trials(np.random.default_rng(1), 5), truth([[0.0], [0.3]]))
    with pytest.raises(TrialError, match=words):
        characteristics(made, effects)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_of_proportions_agree_with_scipy(level):
    count, total = np.array([0, 1, 37, 99, 100]), 100
    for found, method in ((interval(count, total, level), "wilson"), (exact_interval(count, total, level), "exact")):
        want = [stats.binomtest(k, total).proportion_ci(level, method) for k in count.tolist()]
        np.testing.assert_allclose(found, want, atol=1e-9)
