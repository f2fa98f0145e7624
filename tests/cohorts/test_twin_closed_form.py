"""Twins against posteriors that are known exactly: a straight line with normal deviations and normal errors."""

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts.twins import pareto, weighted
from cohorts.twins.records import PatientRecord

OMEGA, SIGMA, MU = np.array([2.0, 0.5]), 0.7, np.array([10.0, -1.0])
TIMES = np.array([0.0, 1.0, 2.0, 4.0])


def line(uncertain=None):
    """Population whose patients are straight lines: intercept and slope."""

    def parameter(mean, omega, typical):
        return {
            "unit": "1",
            "meaning": "m",
            "scale": "normal",
            "typical": typical or mean,
            "between_subject": omega,
            "source": "made up",
        }

    return cohorts.load_population(
        {
            "name": "lines",
            "reference": "made up",
            "parameters": {
                "a": parameter(
                    float(MU[0]), float(OMEGA[0]), uncertain and {"normal": {"mean": float(MU[0]), "sd": uncertain}}
                ),
                "b": parameter(float(MU[1]), float(OMEGA[1]), None),
            },
            "residual": {"y": {"kind": "additive", "additive": SIGMA, "source": "made up"}},
        }
    )


def predict(parameters, courses, which):
    width = max(len(c.time) for c in courses)
    time = np.full((len(courses), width), np.nan)
    for i, c in enumerate(courses):
        time[i, : len(c.time)] = c.time
    return parameters["a"][:, None] + parameters["b"][:, None] * time[which]


def exact(time, dv, extra=0.0):
    """Mean and covariance of (a, b) given the measurements."""
    x = np.stack([np.ones_like(time), time], axis=1)
    prior = np.diag(OMEGA**2 + np.array([extra**2, 0.0]))
    cov = np.linalg.inv(x.T @ x / SIGMA**2 + np.linalg.inv(prior))
    return cov @ (x.T @ dv / SIGMA**2 + np.linalg.inv(prior) @ MU), cov


def record(dv, time=TIMES, name="p"):
    return PatientRecord({"time": time, "dv": dv}, None, {}, name)


DV = np.array([12.1, 11.9, 9.0, 7.5])


def moments(twin):
    values = np.stack([twin.parameters()[n] for n in ("a", "b")], axis=1)
    mean = twin.weight @ values
    return mean, (twin.weight[:, None] * (values - mean)).T @ (values - mean)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("importance", {}),
        ("importance", {"proposal": "prior", "particles": 20000}),
        ("laplace", {}),
        ("importance", {"defensive": 0.0}),
    ],
)
def test_posterior_is_the_exact_one(method, settings):
    twin = cohorts.twin(line(), record(DV), predict, seed=1, method=method, **settings)
    mean, cov = exact(TIMES, DV)
    found, spread = moments(twin)
    ess = twin.diagnostics["ess"]
    assert np.all(np.abs(found - mean) < 4.0 * np.sqrt(np.diag(cov) / ess))
    assert np.allclose(
        spread / np.sqrt(np.outer(np.diag(cov), np.diag(cov))),
        cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov))),
        atol=5.0 / np.sqrt(ess),
    )
    assert twin.diagnostics["pareto_k"] < 0.7


@pytest.mark.parametrize("settings", [{}, {"defensive": 0.5}, {"proposal": "prior"}])
def test_mean_ratio_is_the_exact_evidence(settings):
    twin = cohorts.twin(line(), record(DV), predict, seed=6, particles=40000, **settings)
    x = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    truth = stats.multivariate_normal(x @ MU, x @ np.diag(OMEGA**2) @ x.T + SIGMA**2 * np.eye(4)).pdf(DV)
    ratio = np.exp(twin.group.particles.log_ratio[0]) / truth
    assert ratio.mean() == pytest.approx(1.0, abs=4.0 * ratio.std() / np.sqrt(40000))
    assert ratio.std() / np.sqrt(40000) < 0.02


def test_a_search_from_the_typical_patient_alone_finds_the_same_mode():
    found = [cohorts.twin(line(), record(DV), predict, seed=1, starts=n).group.particles.modes for n in (0, 16)]
    assert np.allclose(*found, rtol=1e-9)


def test_mode_and_laplace_covariance_are_exact():
    twin = cohorts.twin(line(), record(DV), predict, seed=1, method="laplace")
    mean, cov = exact(TIMES, DV)
    modes = twin.group.modes().isel(subject=0)
    assert np.allclose([modes["a"], modes["b"]], mean, rtol=1e-7)
    laplace = np.outer(OMEGA, OMEGA) * twin.group.particles.covariance[0]
    assert np.allclose(laplace, cov, rtol=1e-5)


def test_uncertain_population_is_mixed_over():
    twin = cohorts.twin(line(3.0), record(DV), predict, seed=2)
    mean, cov = exact(TIMES, DV, extra=3.0)
    found, spread = moments(twin)
    assert np.all(np.abs(found - mean) < 4.0 * np.sqrt(np.diag(cov) / twin.diagnostics["ess"]))
    assert np.allclose(np.sqrt(np.diag(spread)), np.sqrt(np.diag(cov)), rtol=0.1)
    aside = cohorts.twin(line(3.0), record(DV), predict, seed=2, uncertainty="centred")
    assert np.allclose(moments(aside)[0], exact(TIMES, DV)[0], atol=0.05)
    assert aside.diagnostics["uncertainty"] == "centred"


def calibrated(population, mean, sd):
    """What a calibration of the population would leave: draws of the typical intercept."""
    draws = mean + sd * np.random.default_rng(8).standard_normal((4, 2500))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"a_pop": (("chain", "draw"), draws)})})
    tree.attrs = {
        "fitted_digest": population.fitted_digest,
        "population": population.name,
        "seed": 1,
        "data_digest": "x",
    }
    return tree


def test_posterior_of_a_population_is_mixed_over_or_set_aside(monkeypatch):
    population = line(3.0)
    posterior = calibrated(population, 12.0, 1.5)
    monkeypatch.setitem(globals(), "MU", np.array([12.0, -1.0]))
    for uncertainty, extra in (("mixed", 1.5), ("centred", 0.0)):
        twin = cohorts.twin(population, record(DV), predict, seed=2, posterior=posterior, uncertainty=uncertainty)
        mean, cov = exact(TIMES, DV, extra=extra)
        found, spread = moments(twin)
        assert np.all(np.abs(found - mean) < 4.0 * np.sqrt(np.diag(cov) / twin.diagnostics["ess"]) + 0.01)
        assert np.allclose(np.sqrt(np.diag(spread)), np.sqrt(np.diag(cov)), rtol=0.1)
        assert twin.posterior.attrs["posterior_data_digest"] == "x"
    with pytest.raises(cohorts.PopulationError, match="calibrate this population again"):
        cohorts.twin(line(2.0), record(DV), predict, seed=2, posterior=posterior)


@pytest.mark.slow
def test_posterior_of_a_population_is_set_aside_for_nuts(monkeypatch):
    population = line(3.0)
    posterior = calibrated(population, 12.0, 1.5)

    def graph(_record, rows):
        time = rows["time"].to_numpy()
        return lambda parameters: parameters["a"][0] + parameters["b"][0] * time

    given = {"seed": 1, "posterior": posterior, "method": "nuts", "graph": graph}
    with pytest.raises(cohorts.PopulationError, match="no density"):
        cohorts.twin(population, record(DV), predict, **given)
    twin = cohorts.twin(population, record(DV), predict, uncertainty="centred", **given)
    monkeypatch.setitem(globals(), "MU", np.array([np.median(posterior["posterior"]["a_pop"]), -1.0]))
    mean, cov = exact(TIMES, DV)
    assert np.all(np.abs(moments(twin)[0] - mean) < 4.0 * np.sqrt(np.diag(cov) / twin.diagnostics["ess"]))


def test_uncertain_population_by_laplace_weighs_its_draws():
    twin = cohorts.twin(line(3.0), record(DV), predict, seed=2, method="laplace")
    mean, cov = exact(TIMES, DV, extra=3.0)
    found, spread = moments(twin)
    assert np.all(np.abs(found - mean) < 4.0 * np.sqrt(np.diag(cov) / twin.diagnostics["ess"]))
    assert np.allclose(np.sqrt(np.diag(spread)), np.sqrt(np.diag(cov)), rtol=0.1)


def test_forecast_intervals_are_the_exact_ones():
    twin = cohorts.twin(line(), record(DV), predict, seed=1, particles=20000)
    mean, cov = exact(TIMES, DV)
    times = np.array([3.0, 8.0])
    x = np.stack([np.ones(2), times], axis=1)
    sd = np.sqrt(np.einsum("ti,ij,tj->t", x, cov, x))
    found = twin.forecast(times, level=0.9).sel(output="y")
    for name, wanted in {
        "mean": x @ mean,
        "median": x @ mean,
        "lower": x @ mean - 1.6448536 * sd,
        "upper": x @ mean + 1.6448536 * sd,
        "measured_lower": x @ mean - 1.6448536 * np.hypot(sd, SIGMA),
        "measured_upper": x @ mean + 1.6448536 * np.hypot(sd, SIGMA),
    }.items():
        assert np.all(np.abs(found[name] - wanted) < 4.0 * found[f"{name}_mcse"]), name
        assert np.all(found[f"{name}_mcse"] < 0.1 * sd + 0.02)


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_visit_by_visit_is_the_whole(least):
    twin = cohorts.twin(line(), PatientRecord(None, None, {}, "p"), predict, seed=3, particles=20000, proposal="prior")
    for i in range(len(TIMES)):
        twin = twin.update(record(DV[i : i + 1], TIMES[i : i + 1]), least=least)
    mean, cov = exact(TIMES, DV)
    found, _ = moments(twin)
    assert np.all(np.abs(found - mean) < 4.0 * np.sqrt(np.diag(cov) / twin.diagnostics["ess"]))
    kind = "reweighted" if least == 0.0 else "refitted"
    assert twin.diagnostics["history"] == ["fitted", *[kind] * 4]


def test_an_update_that_computes_afresh_gives_the_bits_of_the_whole():
    first = cohorts.twin(line(), record(DV[:2], TIMES[:2]), predict, seed=4)
    late = first.update(record(DV[2:], TIMES[2:]), least=1.0)
    whole = cohorts.twin(line(), record(DV), predict, seed=4)
    assert np.array_equal(late.group.particles.x, whole.group.particles.x)
    assert np.array_equal(late.weight, whole.weight)


def test_many_patients_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    records = [record(rng.normal(8.0, 2.0, n), TIMES[:n], f"p{n}") for n in (4, 2, 1, 3)]
    group = cohorts.twin_cohort(line(), records, predict, seed=5, particles=500)
    for i in range(4):
        alone = cohorts.twin(line(), records[i], predict, seed=5, number=i, particles=500, allow=["ess"])
        assert np.allclose(group[i].group.particles.x, alone.group.particles.x, rtol=1e-10, atol=1e-10)
        assert np.allclose(group[i].weight, alone.weight, rtol=1e-8)


def test_many_patients_learn_at_once():
    """Each as alone: some by weights, one whose visit surprises by a fit to all its data; Laplace always afresh."""
    first = [record(DV[:2] + by, TIMES[:2], f"p{by}") for by in (0.0, 1.0, -1.0)]
    last = [record(DV[2:] + by, TIMES[2:]) for by in (0.0, 1.0, 25.0)]
    group = cohorts.twin_cohort(line(3.0), first, predict, seed=5, particles=4000)
    late = group.update(last)
    assert late.diagnostics["reliable"].all()
    for i in range(3):
        alone = group[i].update(last[i])
        assert np.allclose(late[i].weight, alone.weight, rtol=1e-9)
        assert np.allclose(late[i].group.particles.x, alone.group.particles.x, rtol=1e-9, atol=1e-9)
    assert late.diagnostics.sizes["subject"] == 3
    assert late.history[1].startswith("reweighted, ")
    quick = cohorts.twin_cohort(line(), first, predict, seed=5, method="laplace", particles=100).update(last)
    whole = cohorts.twin_cohort(line(), [a.joined(b) for a, b in zip(first, last, strict=True)], predict, seed=5,
                                method="laplace", particles=100)  # fmt: skip
    assert np.array_equal(quick.particles.modes, whole.particles.modes)
    with pytest.raises(cohorts.PopulationError, match="got 2 records, wanted 3"):
        group.update(last[:2])


def test_unreliable_weights_are_refused_with_advice():
    sharp = np.linspace(0.0, 4.0, 400)
    far = PatientRecord({"time": sharp, "dv": 40.0 + sharp}, None, {}, "far")
    with pytest.raises(cohorts.CalibrationError, match=r"may not be used.*nuts"):
        cohorts.twin(line(), far, predict, seed=1, proposal="prior")
    allowed = cohorts.twin(line(), far, predict, seed=1, proposal="prior", allow=["pareto_k", "ess"])
    assert not allowed.diagnostics["reliable"]


@pytest.mark.parametrize("df", [1.2, 2.0, 5.0])
def test_pareto_smoothing_is_that_of_arviz(df):
    log = np.log(np.abs(np.random.default_rng(7).standard_t(df, (3, 2000))))
    weight, k = pareto.smoothed(log)
    from arviz_stats.base import array_stats

    for i in range(3):
        theirs, khat = array_stats.psislw(-log[i])
        assert k[i] == pytest.approx(float(khat), abs=0.02)
        assert np.allclose(np.log(weight[i]), theirs - np.logaddexp.reduce(theirs), atol=0.02)


def test_weighted_summaries_have_the_errors_they_state():
    rng = np.random.default_rng(3)
    values, log = rng.standard_normal((400, 1000)), None
    log = 0.5 * values  # towards a normal distribution about 0.5
    weight = np.exp(log) / np.exp(log).sum(axis=1, keepdims=True)
    for found, error, truth in (
        (*weighted.mean(values, weight), 0.5),
        (*weighted.quantile(values, weight, 0.9), 0.5 + 1.2815516),
    ):
        z = (found - truth) / error
        assert abs(z.mean()) < 0.35
        assert z.std() == pytest.approx(1.0, abs=0.15)


def test_posterior_is_a_tree_in_arviz_groups():
    twin = cohorts.twin(line(3.0), record(DV), predict, seed=2)
    tree = twin.posterior
    assert {
        "posterior",
        "particles",
        "posterior_predictive",
        "log_likelihood",
        "observed_data",
        "constant_data",
    } <= set(tree.children)
    assert {"a", "b", "z_a", "a_pop"} <= set(tree["posterior"].data_vars)
    assert tree["log_likelihood"]["dv"].shape == (1, 4000, 4)
    mean, _ = moments(twin)
    assert float(tree["posterior"]["a"].mean()) == pytest.approx(mean[0], abs=0.05)
    assert tree.attrs["method"] == "importance"
    assert float(tree.attrs["pareto_k"]) < 0.7
    assert "mean" in az.summary(tree, var_names=["a", "b"]).columns
    table = twin.summary()
    assert table.loc["a", "mean"] == pytest.approx(mean[0])


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        ({"time": [1.0]}, "lacks column 'dv'"),
        ({"time": [1.0], "dv": [np.nan]}, "finite"),
        ({"time": [1.0], "dv": [0.0], "blq": [True]}, "lloq"),
        ({"time": [1.0], "dv": [1.0], "odd": [1]}, "odd"),
        ({"time": [1.0, 2.0], "dv": [1.0, 2.0, 3.0]}, "shape"),
    ],
)
def test_a_wrong_record_is_refused_by_name(broken, match):
    with pytest.raises(cohorts.PopulationError, match=match):
        PatientRecord(broken, None, {})
