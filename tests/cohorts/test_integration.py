"""The integrated likelihood against closed forms, and what it refuses."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import IndividualData, PopulationError

PEOPLE, TIMES = 7, np.array([0.0, 1.0, 2.0, 3.0])
WRITTEN = {
    "name": "line",
    "reference": "nobody, for the tests",
    "parameters": {
        "a": {
            "unit": "1", "meaning": "level", "scale": "normal", "typical": {"normal": {"mean": 1, "sd": 5}},
            "between_subject": {"halfnormal": {"sd": 2}}, "source": "made up",
        },
        "b": {
            "unit": "1", "meaning": "slope", "scale": "normal", "typical": {"normal": {"mean": 1, "sd": 5}},
            "between_subject": {"halfnormal": {"sd": 2}}, "source": "made up",
        },
    },
    "correlations": [{"of": ["a", "b"], "lkj": 2, "source": "made up"}],
    "residual": {"y": {"kind": "additive", "additive": {"halfnormal": {"sd": 2}}, "source": "made up"}},
}  # fmt: skip
VALUES = {"a_pop": 2.0, "b_pop": -0.5, "omega_a": 1.3, "omega_b": 0.6, "rho_a_b": -0.4, "sigma_additive_y": 0.7}


def written(**changes):
    return {**WRITTEN, "parameters": {**WRITTEN["parameters"], **changes}}


@pytest.fixture(scope="module")
def data():
    dv = np.random.default_rng(5).normal(2.0, 1.5, PEOPLE * len(TIMES))
    rows = {"subject": np.repeat(np.arange(PEOPLE), len(TIMES)), "time": np.tile(TIMES, PEOPLE), "dv": dv}
    people = xr.Dataset({}, {"subject": np.arange(PEOPLE)})
    return IndividualData(xr.Dataset({k: ("observation", v) for k, v in rows.items()}), people)


def line(data):
    place, time = data.position, data.observations["time"].values
    return lambda p: p["a"][place] + p["b"][place] * time


def exact(data):
    """Log-likelihood of each person: a line with normal deviations is multivariate normal."""
    cross = VALUES["rho_a_b"] * VALUES["omega_a"] * VALUES["omega_b"]
    omega = np.array([[VALUES["omega_a"] ** 2, cross], [cross, VALUES["omega_b"] ** 2]])
    design = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    covariance = design @ omega @ design.T + VALUES["sigma_additive_y"] ** 2 * np.eye(len(TIMES))
    normal = stats.multivariate_normal(VALUES["a_pop"] + VALUES["b_pop"] * TIMES, covariance)
    return normal.logpdf(data.observations["dv"].values.reshape(PEOPLE, -1))


@pytest.fixture(scope="module")
def found(data):
    population = cohorts.load_population(WRITTEN)
    return cohorts.marginal_likelihood(population, data, line(data), VALUES, seed=1, samples=3000)


def test_a_line_with_normal_deviations_has_its_closed_form(data, found):
    z = (found["log_likelihood"].values - exact(data)) / found["se"].values
    assert np.abs(z).max() < 4.0
    assert found["se"].values.max() < 0.02
    assert abs(found.attrs["minus2ll"] + 2.0 * exact(data).sum()) < 4.0 * found.attrs["se"]
    assert found.attrs["nonmem_ofv"] == pytest.approx(found.attrs["minus2ll"] - 28 * np.log(2 * np.pi))


def test_the_mode_is_the_best_linear_unbiased_prediction(data, found):
    design = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    factor = np.array([[1.3, 0.0], [0.6 * -0.4, 0.6 * np.sqrt(1 - 0.16)]])
    x = design @ factor
    apart = data.observations["dv"].values.reshape(PEOPLE, -1) - (2.0 - 0.5 * TIMES)
    expected = np.linalg.solve(x.T @ x / 0.49 + np.eye(2), x.T @ apart.T / 0.49).T
    np.testing.assert_allclose(found["mode"].sel(unknown=["z_a", "z_b"]), expected, atol=1e-5)


def test_a_person_s_number_does_not_depend_on_who_else_is_there(data, found):
    rows = data.observations["subject"].values < 3
    some = IndividualData(data.observations.isel(observation=rows), data.covariates.isel(subject=slice(3)))
    population = cohorts.load_population(WRITTEN)
    again = cohorts.marginal_likelihood(population, some, line(some), VALUES, seed=1, samples=3000)
    np.testing.assert_allclose(again["log_likelihood"], found["log_likelihood"][:3], rtol=1e-10)


def test_no_difference_between_people_needs_no_integral(data):
    plain = {"unit": "1", "meaning": "m", "scale": "normal", "typical": 0.0, "source": "made up"}
    population = cohorts.load_population({**written(a=plain, b=plain), "correlations": []})
    found = cohorts.marginal_likelihood(population, data, line(data), {"sigma_additive_y": 0.7}, seed=1)
    assert found.attrs["se"] == 0.0
    expected = stats.norm(0.0, 0.7).logpdf(data.observations["dv"].values).sum()
    assert found.attrs["minus2ll"] == pytest.approx(-2.0 * expected)


def test_wrong_values_are_refused_before_any_work(data):
    population = cohorts.load_population(WRITTEN)
    bad = {
        r"values: got 'c_pop', wanted some of": {**VALUES, "c_pop": 1.0},
        r"values: missing \['omega_b'\]": {k: v for k, v in VALUES.items() if k != "omega_b"},
        r"values.omega_a: got -1.0, wanted": {**VALUES, "omega_a": -1.0},
        r"values.rho_a_b: got 1.5, wanted": {**VALUES, "rho_a_b": 1.5},
    }
    for words, values in bad.items():
        with pytest.raises(PopulationError, match=words):
            cohorts.marginal_likelihood(population, data, line(data), values, seed=1)
    with pytest.raises(PopulationError, match="samples: got 3"):
        cohorts.marginal_likelihood(population, data, line(data), VALUES, seed=1, samples=3)
    shared = {**WRITTEN["parameters"]["a"], "between_study": 0.2}
    population = cohorts.load_population(written(a=shared))
    with pytest.raises(PopulationError, match=r"a.between_study: people of one study share a deviation"):
        cohorts.marginal_likelihood(population, data, line(data), VALUES, seed=1)
