"""Weights that meet a baseline table: against closed forms, and what cannot be met."""

import numpy as np
import pytest
import xarray as xr

import cohorts
from cohorts import CalibrationError, PopulationError


@pytest.fixture(scope="module")
def normal():
    rng = np.random.default_rng(1)
    return xr.Dataset({
        "age": (("replicate", "subject"), 60 + 10 * rng.standard_normal((2, 20_000)), {"role": "covariate"}),
        "sex": (("replicate", "subject"), rng.integers(0, 2, (2, 20_000)), {"levels": ["female", "male"]}),
    })  # fmt: skip


def test_a_normal_is_tilted_into_a_normal(normal):
    """The nearest law of another mean is the shifted normal, whose ESS is n exp(-(shift / sd)^2)."""
    found = cohorts.match_baseline(normal, {"age": {"mean": 66, "source": "made up"}})
    weights = found.weights.to_numpy().ravel()
    assert np.average(normal["age"].to_numpy().ravel(), weights=weights) == pytest.approx(66, abs=1e-5)
    assert found.effective / weights.size == pytest.approx(np.exp(-0.36), rel=0.03)
    x = (normal["age"].to_numpy().ravel() - 60) / 10
    slope = np.polyfit(x, np.log(weights), 1)[0]
    assert slope == pytest.approx(0.6, rel=0.03)


def test_every_statistic_is_met(normal):
    found = cohorts.match_baseline(normal, {
        "age": {"mean": 62, "sd": 9, "geometric_mean": 61.3, "quantiles": {0.25: 56, 0.9: 73.5}, "source": "made up"},
        "sex": {"shares": {"male": 0.7}, "source": "made up"},
    })  # fmt: skip
    np.testing.assert_allclose(found.table["after"], found.table["wanted"], rtol=1e-4)
    assert (np.abs(found.table["before"] - found.table["wanted"]) > 3 * found.table["before_se"]).sum() >= 4
    mean = found.table.sel(target="age mean")
    assert float(mean["before_se"]) == pytest.approx(10 / 200, rel=0.4)


def test_even_weights_where_nothing_is_amiss(normal):
    own = {"age": {"mean": float(normal["age"].mean()), "source": "itself"}}
    np.testing.assert_allclose(cohorts.match_baseline(normal, own).weights, 1, atol=1e-6)


def test_a_share_alone_is_weighting_by_strata(normal):
    found = cohorts.match_baseline(normal, {"sex": {"shares": {"male": 0.8}, "source": "made up"}})
    male = normal["sex"] == 1
    np.testing.assert_allclose(found.weights.where(male), xr.where(male, 0.8 / male.mean(), np.nan), rtol=1e-5)


def test_resampling_follows_the_weights_and_says_who(normal):
    found = cohorts.match_baseline(normal, {"age": {"mean": 64, "source": "made up"}})
    some = found.resample(5000, seed=3)
    assert float(some["age"].mean()) == pytest.approx(64, abs=0.5)
    who = normal["age"].to_numpy()[some["origin_replicate"], some["origin_subject"]]
    np.testing.assert_array_equal(some["age"], who)
    np.testing.assert_array_equal(some["age"], found.resample(5000, seed=3)["age"])
    assert not np.array_equal(some["age"], found.resample(5000, seed=4)["age"])
    times = np.zeros(found.weights.shape)
    np.add.at(times, (some["origin_replicate"].to_numpy(), some["origin_subject"].to_numpy()), 1)
    assert np.abs(times - found.weights * 5000 / found.weights.size).max() < 1
    wanted = (found.weights.to_numpy() * 5000 / found.weights.size).ravel()
    assert np.abs(np.cumsum(times.ravel()) - np.cumsum(wanted)).max() <= 1 + 1e-9  # systematic, all the way


def test_a_drawn_cohort_keeps_its_parameters(population):
    drawn = cohorts.draw(population, 500, 2, seed=1)
    some = cohorts.match_baseline(drawn, {"age": {"mean": 38, "source": "made up"}}).resample(100, seed=1)
    assert some.sizes == {"subject": 100}
    assert {"cl", "v", "weight", "omega_cl"} <= set(some)
    assert some["cl"].attrs["units"] == "L/h"


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"age": {"mean": 200, "source": "x"}}, "age mean = 200: no weights of these patients give it"),
        ({"age": {"mean": 60, "sd": 60, "source": "x"}}, "age sd = 60.*together with those before it"),
        ({"age": {"mean": 90, "source": "x"}}, r"by \d+ of 40000 patients in effect"),
    ],
)
def test_what_is_out_of_reach_is_named(normal, targets, said):
    with pytest.raises(CalibrationError, match=said):
        cohorts.match_baseline(normal, targets)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"aeg": {"mean": 60, "source": "x"}}, r"targets\.aeg: the cohort has none.*age"),
        ({"age": {"sd": 6, "source": "x"}}, r"targets\.age\.sd: needs the mean"),
        ({"age": {"sd": -6, "mean": 1, "source": "x"}}, r"targets\.age\.sd: got -6"),
        ({"age": {"quantiles": {25: 60}, "source": "x"}}, r"quantiles.*got '25', wanted a probability"),
        ({"age": {"shares": {"old": 0.5}, "source": "x"}}, r"targets\.age: got share"),
        ({"sex": {"mean": 0.5, "source": "x"}}, r"targets\.sex: got mean, wanted the share of one"),
        ({"sex": {"shares": {"man": 0.5}, "source": "x"}}, r"targets\.sex: got level 'man'"),
        ({"age": {"mean": 60}}, "source"),
        ({}, "targets: got none"),
    ],
)
def test_targets_that_cannot_be_read(normal, targets, said):
    with pytest.raises(PopulationError, match=said):
        cohorts.match_baseline(normal, targets)
