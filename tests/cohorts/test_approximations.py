"""Declared approximations of a fit: Pathfinder's parts against what they must be, the gate, and what is recorded."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts.calibration.quasi_newton import best, normals, search

TIMES, DOSE = np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 100.0
TRUTH = {"cl": 3.0, "v": 30.0}


def gaussian(size, seed=3):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size))
    precision, middle = root @ root.T + np.eye(size), rng.standard_normal(size)
    return (
        precision,
        middle,
        lambda x: (-0.5 * float((x - middle) @ precision @ (x - middle)), -precision @ (x - middle)),
    )


def covariance(one):
    inner = one.q @ (one.lower @ one.lower.T - np.eye(len(one.lower))) @ one.q.T
    return np.diag(one.root) @ (np.eye(len(one.mean)) + inner) @ np.diag(one.root)


@pytest.mark.parametrize("size", [3, 20])
def test_a_covariance_maps_the_last_change_of_the_slope_to_the_step(size):
    """The secant condition, which any inverse Hessian of a quasi-Newton search has; its draws are of that normal."""
    _, _, slope = gaussian(size)
    places, gradients = search(slope, np.full(size, 3.0))
    found = normals(places, gradients)
    assert len(found) == len(places) - 1
    for i, one in enumerate(found, start=1):
        np.testing.assert_allclose(
            covariance(one) @ (gradients[i - 1] - gradients[i]), places[i] - places[i - 1], rtol=1e-6, atol=1e-9
        )
    one = found[len(found) // 2]
    x = one.draw(np.random.default_rng(1), 40_000)
    by_scipy = stats.multivariate_normal(one.mean, covariance(one)).logpdf(x[:50])
    np.testing.assert_allclose(one.log_density(x[:50]), by_scipy, rtol=1e-9)
    wide = stats.multivariate_t(one.mean, covariance(one), df=8.0)
    np.testing.assert_allclose(one.log_density_wide(x[:50], 8.0), wide.logpdf(x[:50]), rtol=1e-9)
    spread = one.draw_wide(np.random.default_rng(2), 40_000, 8.0)
    np.testing.assert_allclose(np.cov(spread.T), covariance(one) * 8.0 / 6.0, atol=0.1 * covariance(one).max())
    np.testing.assert_allclose(x.mean(axis=0), one.mean, atol=5.0 * np.sqrt(covariance(one).max() / len(x)))
    np.testing.assert_allclose(np.cov(x.T), covariance(one), atol=0.05 * covariance(one).max())


def test_the_best_approximation_of_a_normal_density_lies_at_its_mode():
    _, middle, slope = gaussian(4)
    found = best(slope, np.full(4, 3.0), np.random.default_rng(1))
    assert found is not None
    np.testing.assert_allclose(found.mean, middle, atol=0.02)


def population(spread):
    def parameter(unit, median):
        typical = {"lognormal": {"median": median, "cv": 0.7}}
        return {"unit": unit, "meaning": "x", "typical": typical, "source": "x", "between_subject": spread}

    return cohorts.load_population({
        "name": "bolus", "reference": "nobody, for the tests",
        "parameters": {"cl": parameter("L/h", 2), "v": parameter("L", 20)},
        "residual": {"concentration": {"kind": "lognormal", "source": "x"}},
    })  # fmt: skip


@pytest.fixture(scope="module")
def people():
    """Six people after one intravenous dose, and their equations."""
    rng, ids = np.random.default_rng(5), np.arange(6)
    cl, v = (TRUTH[n] * np.exp(0.2 * rng.standard_normal((6, 1))) for n in ("cl", "v"))
    seen = DOSE / v * np.exp(-cl / v * TIMES + 0.1 * rng.standard_normal((6, 5)))
    columns = {"subject": np.repeat(ids, 5), "time": np.tile(TIMES, 6), "dv": seen.ravel()}
    rows = xr.Dataset({n: ("observation", values) for n, values in columns.items()})
    data = cohorts.IndividualData(rows, xr.Dataset(coords={"subject": ids}))

    def predict(parameters):
        import pytensor.tensor as pt

        cl, v = (parameters[n][data.position] for n in ("cl", "v"))
        return DOSE / v * pt.exp(-cl / v * columns["time"])

    return data, predict


OPTIONS = {"seed": 1, "chains": 2, "draws": 400}


@pytest.fixture(scope="module")
def sampled(people):
    """NUTS with the SDs between people known, where the posterior is nearly normal."""
    allow = ("rhat", "ess", "divergences")
    return cohorts.calibrate(population(0.2), *people, **OPTIONS, tune=300, cores=1, allow=allow)


@pytest.mark.parametrize("method", ["pathfinder", "laplace"])
def test_an_approximation_is_near_nuts_and_says_what_it_is(people, sampled, method):
    tree = cohorts.calibrate(population(0.2), *people, method=method, **OPTIONS)
    assert tree.attrs["approximation"] == tree.attrs["method"] == method
    assert tree.attrs["pareto_k"] < 0.7
    assert json.loads(tree.attrs["failed"]) == {}
    assert "rhat_max" not in tree.attrs
    assert set(sampled.children) == set(tree.children)
    wanted, found = cohorts.diagnose(sampled), cohorts.diagnose(tree)
    for name in ("cl_pop", "v_pop", "sigma_lognormal_concentration"):
        assert abs(found.loc[name, "mean"] - wanted.loc[name, "mean"]) < 0.3 * wanted.loc[name, "sd"], name
        assert found.loc[name, "sd"] == pytest.approx(wanted.loc[name, "sd"], rel=0.3), name
    patients = cohorts.draw(population(0.2), 10, 5, seed=1, posterior=tree)
    assert patients.sizes == {"replicate": 5, "subject": 10}
    assert float(cohorts.predictive_check(tree).attrs["inside"]) > 0.8
    for judge in (cohorts.predictive_check, cohorts.vpc, cohorts.npde, cohorts.gof, cohorts.loo):
        assert judge(tree).attrs["approximation"] == method
        assert "approximation" not in judge(sampled).attrs
    assert method in cohorts.plot_vpc(tree).get_suptitle()
    assert method in cohorts.plot_loo(cohorts.loo(tree)).get_suptitle()
    assert cohorts.plot_vpc(sampled).get_suptitle() == ""


def test_one_too_far_from_the_posterior_is_refused_with_advice_and_an_override_is_recorded(people):
    """The SDs between people make the joint density of all unknowns no normal one."""
    wide = population({"halfnormal": {"sd": 1.0}})
    with pytest.raises(cohorts.CalibrationError, match=r"Pareto k is .* sample it with method='nuts'"):
        cohorts.calibrate(wide, *people, method="pathfinder", **OPTIONS)
    tree = cohorts.calibrate(wide, *people, method="pathfinder", allow=("pareto_k",), **OPTIONS)
    assert set(json.loads(tree.attrs["failed"])) == {"pareto_k"}
    assert json.loads(tree.attrs["allowed"]) == ["pareto_k"]
    again = cohorts.calibrate(wide, *people, method="pathfinder", allow=("pareto_k",), **OPTIONS)
    np.testing.assert_array_equal(tree["posterior"]["cl"], again["posterior"]["cl"])


def test_an_unknown_method_is_refused(people):
    with pytest.raises(cohorts.PopulationError, match=r"method: got 'advi', wanted one of \['nuts', 'laplace'"):
        cohorts.calibrate(population(0.2), *people, method="advi", seed=1)
