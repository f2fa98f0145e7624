"""Fitting: known parameters are found again, bad fits are refused, a posterior goes into cohorts.

Forty people get one intravenous dose; concentrations follow dose / v * exp(-cl / v * t).
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import (
    CalibrationError,
    Gates,
    IndividualData,
    PopulationError,
    calibrate,
    diagnose,
    draw,
    predictive_check,
)
from cohorts.calibration.data import covariate_values, individual_data

PEOPLE, TIMES, DOSE = 60, np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 100.0
SAMPLER = {"tune": 800, "draws": 1200}
PRIOR = {
    "name": "bolus",
    "reference": "nobody, for the tests",
    "covariates": {
        "sex": {"meaning": "sex", "levels": {"female": 0.5, "male": 0.5}, "column": "SEX", "source": "made up"},
        "weight": {
            "unit": "kg",
            "meaning": "body weight",
            "distribution": {"normal": {"mean": 70, "sd": 12}, "lower": 40},
            "column": "WT",
            "source": "made up",
        },
    },
    "parameters": {
        "cl": {
            "unit": "L/h",
            "meaning": "clearance",
            "typical": {"lognormal": {"median": 2, "cv": 1}},
            "effects": {
                "weight": {"kind": "power", "reference": 70, "coefficient": 0.75},
                "sex": {
                    "kind": "fraction",
                    "levels": {"female": 0, "male": {"normal": {"mean": 0, "sd": 0.5}, "lower": -0.8}},
                },
            },
            "between_subject": {"halfnormal": {"sd": 1}, "total": True},
            "between_occasion": 0.1,
            "source": "made up",
        },
        "v": {
            "unit": "L",
            "meaning": "volume",
            "typical": {"lognormal": {"median": 20, "cv": 1}},
            "between_subject": {"halfnormal": {"sd": 1}},
            "source": "made up",
        },
    },
    "correlations": [{"of": ["cl", "v"], "lkj": 2, "source": "made up"}],
    "residual": {"concentration": {"kind": "lognormal", "lognormal": {"halfnormal": {"sd": 0.5}}, "source": "made up"}},
}
TRUTH = {"cl_pop": 3.0, "v_pop": 30.0, "omega_cl": 0.3, "omega_v": 0.2, "rho_cl_v": 0.6,
         "sigma_lognormal_concentration": 0.1, "beta_cl_sex[male]": 0.4}  # fmt: skip


def true_population():
    written = json.loads(json.dumps(PRIOR))
    cl, v = (written["parameters"][p] for p in ("cl", "v"))
    cl.update(typical=3.0, between_subject={"value": 0.3, "total": True})
    cl["effects"]["sex"]["levels"]["male"] = 0.4
    v.update(typical=30.0, between_subject=0.2)
    written["correlations"] = [{"of": ["cl", "v"], "matrix": [[1, 0.6], [0.6, 1]], "source": "made up"}]
    return cohorts.load_population(written)


def simulated(seed=3):
    """Data of people drawn from the truth, in no order and with names for ids."""
    people = draw(true_population(), PEOPLE, 1, seed=seed).isel(replicate=0)
    rng = np.random.default_rng(seed)
    cl, v = people["cl"].values[:, None], people["v"].values[:, None]
    dv = DOSE / v * np.exp(-cl / v * TIMES + 0.1 * rng.standard_normal((PEOPLE, len(TIMES))))
    names = np.array([f"p{i:02d}" for i in rng.permutation(PEOPLE)])
    order = rng.permutation(dv.size)
    columns = {"subject": np.repeat(names, len(TIMES)), "time": np.tile(TIMES, PEOPLE), "dv": dv.ravel()}
    observations = xr.Dataset({k: ("observation", x[order]) for k, x in columns.items()})
    sex = np.array(["female", "male"])[people["sex"].values]
    table = {"WT": ("subject", people["weight"].values), "SEX": ("subject", sex)}
    return IndividualData(
        observations, xr.Dataset(table, {"subject": names}).isel(subject=rng.permutation(PEOPLE))
    ), people


def equations(data):
    place, time = data.position, data.observations["time"].values

    def predict(parameters):
        import pytensor.tensor as pt

        cl, v = (parameters[name][place] for name in ("cl", "v"))
        return DOSE / v * pt.exp(-cl / v * time)

    return predict


@pytest.fixture(scope="module")
def population():
    return cohorts.load_population(PRIOR)


@pytest.fixture(scope="module")
def data():
    return simulated()[0]


@pytest.fixture(scope="module")
def fit(population, data):
    told = []
    tree = calibrate(population, data, equations(data), seed=1, progress=lambda *what: told.append(what), **SAMPLER)
    return SimpleNamespace(tree=tree, told=told)


def test_the_truth_is_recovered(fit):
    table = diagnose(fit.tree)
    for name, truth in TRUTH.items():
        row = table.loc[name]
        assert abs(row["mean"] - truth) < 3.3 * row["sd"], name
        assert row["sd"] < {"rho_cl_v": 0.2, "beta_cl_sex[male]": 0.2}.get(name, 0.25 * truth), name
    assert set(table.index) == set(TRUTH)


def test_each_person_is_recognised(fit, data):
    """Ids, covariates and observations stay together, whatever their order."""
    _, people = simulated()
    by_weight = dict(zip(people["weight"].values, people["cl"].values, strict=True))
    truth = np.array([by_weight[w] for w in data.covariates["WT"].values])
    found = fit.tree["posterior"]["cl"].mean(("chain", "draw"))
    assert found["subject"].values.tolist() == data.subjects.tolist()
    assert np.corrcoef(np.log(truth), np.log(found.values))[0, 1] > 0.95


def test_the_fit_passes_its_gates_and_says_how_it_went(fit, population, data):
    about = fit.tree.attrs
    assert Gates().failures(fit.tree) == {}
    assert about["rhat_max"] < 1.01
    assert about["ess_min"] > 400
    assert about["divergences"] == 0
    assert (about["population_digest"], about["data_digest"]) == (population.digest, data.digest)
    assert json.loads(about["failed"]) == {}
    assert {"pymc", "nutpie"} <= set(json.loads(about["versions"]))
    whats = [what for what, _, _ in fit.told]
    looking = "looking how much the data tell of each person"
    assert {"compiling the population model", looking, "sampling the posterior", "predicting"} == set(whats)
    assert all(0 <= done <= total for _, done, total in fit.told)


def test_diagnosis_agrees_with_arviz(fit):
    import arviz as az

    table = diagnose(fit.tree, individuals=True)
    group = fit.tree["posterior"].to_dataset()[["cl_pop"]]
    assert table.loc["cl_pop", "rhat"] == pytest.approx(float(az.rhat(group)["cl_pop"]))
    assert table.loc["cl_pop", "mean"] == pytest.approx(float(group["cl_pop"].mean()))
    assert table.loc["cl_pop", "units"] == "L/h"
    assert len(table) == len(TRUTH) + 2 * PEOPLE
    assert not [name for name in table.index if name.startswith("z_") or "_free" in name or "_unit" in name]


def test_predictive_groups(fit, data):
    tree = fit.tree
    seen = tree["observed_data"]["concentration"].values
    again = tree["posterior_predictive"]["concentration"]
    inside = (seen > again.quantile(0.05, ("chain", "draw"))) & (seen < again.quantile(0.95, ("chain", "draw")))
    assert 0.84 < float(inside.mean()) < 0.98
    prior = tree["prior_predictive"]["concentration"]
    spread = [np.log(np.maximum(v, 1e-9)).std(("chain", "draw")).mean() for v in (prior, again)]
    assert float(spread[0]) > 5 * float(spread[1])
    assert tree["prior"]["cl_pop"].sizes == {"chain": 1, "draw": 500}
    assert tree["constant_data"]["weight"].values.tolist() == data.covariates["WT"].values.tolist()


def test_the_likelihood_of_a_draw_by_hand(fit, data):
    first = fit.tree["posterior"].to_dataset().isel(chain=1, draw=0)
    cl, v = (first[name].values[data.position] for name in ("cl", "v"))
    predicted = DOSE / v * np.exp(-cl / v * data.observations["time"].values)
    expected = stats.lognorm(first["sigma_lognormal_concentration"].item(), scale=predicted).logpdf(
        data.observations["dv"].values
    )
    found = fit.tree["log_likelihood"]["concentration"].isel(chain=1, draw=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_predictive_check_finds_a_good_fit_good_and_a_shifted_one_bad(fit):
    check = predictive_check(fit.tree)
    assert check.sizes == {"bin": 5, "quantile": 3}
    assert check["count"].sum() == PEOPLE * len(TIMES)
    np.testing.assert_allclose(check["time"], TIMES)
    assert check.attrs["inside"] > 0.8
    assert (check["lower"] < check["median"]).all()
    assert (check["median"] < check["upper"]).all()
    shifted = fit.tree.copy(deep=True)
    shifted["observed_data"]["concentration"] *= 1.5
    assert predictive_check(shifted).attrs["inside"] < 0.5
    assert predictive_check(fit.tree, bins=2, quantiles=(0.5,)).sizes == {"bin": 2, "quantile": 1}


def test_the_posterior_comes_back_from_a_file_and_draws_the_same_people(fit, population, tmp_path):
    path = tmp_path / "posterior.nc"
    fit.tree.to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        again = opened.load()
    one, other = (draw(population, 5, 4, seed=2, posterior=p, occasions=2) for p in (fit.tree, again))
    xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())
    assert predictive_check(again).attrs["inside"] == predictive_check(fit.tree).attrs["inside"]
    assert diagnose(again).equals(diagnose(fit.tree))


def test_cohorts_follow_the_posterior_and_its_uncertainty(fit, population):
    from_prior = draw(population, 40, 300, seed=1)
    from_posterior = draw(population, 40, 300, seed=1, posterior=fit.tree)
    assert from_posterior["cl_pop"].mean() == pytest.approx(float(fit.tree["posterior"]["cl_pop"].mean()), rel=0.02)
    assert float(np.log(from_prior["cl_pop"]).std()) > 5 * float(np.log(from_posterior["cl_pop"]).std())
    moved = fit.tree.copy(deep=True)
    moved["posterior"]["cl_pop"] *= 2.0
    doubled = draw(population, 40, 300, seed=1, posterior=moved)
    np.testing.assert_allclose(doubled["cl"], 2.0 * from_posterior["cl"])


def test_the_same_seed_gives_the_same_posterior(fit, population, data):
    again = calibrate(population, data, equations(data), seed=1, cores=1, **SAMPLER)
    xr.testing.assert_equal(again["posterior"].to_dataset(), fit.tree["posterior"].to_dataset())
    xr.testing.assert_equal(again["predictive_check"].to_dataset(), fit.tree["predictive_check"].to_dataset())


def test_a_bad_fit_is_refused_with_advice_unless_allowed(population, data):
    with pytest.raises(CalibrationError) as error:
        calibrate(population, data, equations(data), seed=1, chains=2, tune=30, draws=30)
    words = str(error.value)
    assert "the fit of bolus may not be used" in words
    assert "effective sample size of" in words
    assert "take more draws" in words
    assert "allow=(" in words
    failed = json.loads(error.value.posterior.attrs["failed"])
    assert {"rhat", "ess"} <= set(failed)
    options = {"chains": 2, "tune": 30, "draws": 30, "allow": tuple(failed)}
    tree = calibrate(population, data, equations(data), seed=1, **options)
    assert json.loads(tree.attrs["allowed"]) == sorted(failed)
    assert json.loads(tree.attrs["failed"]) == failed


def chains(**kinds):
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((4, 500)) + kinds.get("apart", 0.0) * np.arange(4)[:, None]
    if kinds.get("slow"):
        draws = np.cumsum(draws, axis=1) * 0.02 + 0.3 * draws
    if kinds.get("stuck"):
        draws = np.repeat(np.arange(4.0)[:, None], 500, axis=1)
    if kinds.get("broken"):
        draws[0, 0] = np.nan
    energy = rng.standard_normal((4, 500))
    if kinds.get("sticky"):
        energy[1] = np.cumsum(energy[1])
    diverging = np.zeros((4, 500), dtype=bool)
    diverging[0, : kinds.get("divergent", 0)] = True
    dims = ("chain", "draw")
    groups = {"posterior": xr.Dataset({"cl_pop": (dims, draws)}),
              "sample_stats": xr.Dataset({"diverging": (dims, diverging), "energy": (dims, energy)})}  # fmt: skip
    return xr.DataTree.from_dict(groups)


def test_each_gate_bites_on_its_own():
    assert Gates().failures(chains()) == {}
    assert "rhat" in Gates().failures(chains(apart=0.3))
    assert "R-hat of cl_pop is 1." in Gates().failures(chains(apart=0.3))["rhat"]
    assert "ess" in Gates().failures(chains(slow=True))
    assert {"rhat", "ess"} <= set(Gates().failures(chains(stuck=True)))
    assert {"rhat", "ess"} <= set(Gates().failures(chains(broken=True)))
    assert Gates().failures(chains(divergent=2)) == {"divergences": "2 divergent transitions, wanted at most 0"}
    assert Gates(divergences=2).failures(chains(divergent=2)) == {}
    assert set(Gates().failures(chains(sticky=True))) == {"ebfmi"}
    assert "E-BFMI of chain 1 is 0.0" in Gates().failures(chains(sticky=True))["ebfmi"]
    assert Gates(ebfmi=0.0).failures(chains(sticky=True)) == {}
    assert set(Gates(ess=1e6).failures(chains())) == {"ess"}


def replaced(data, **parts):
    return IndividualData(parts.get("observations", data.observations), parts.get("covariates", data.covariates))


def test_data_that_do_not_fit_are_refused_before_any_work(population, data):
    def never(_):
        raise AssertionError

    rows, people = data.observations, data.covariates
    bad = {
        r"lacks column 'dv'": replaced(data, observations=rows.drop_vars("dv")),
        r"lacks 'weight' \(or column 'WT'\); has \['SEX'\]": replaced(data, covariates=people.drop_vars("WT")),
        r"sex: got \['diverse'\], wanted one of \['female', 'male'\]": replaced(
            data, covariates=people.assign(SEX=people["SEX"].where(people["SEX"] != "male", "diverse"))
        ),
        r"WT: missing for subjects \['": replaced(data, covariates=people.assign(WT=people["WT"] * np.nan)),
        r"dv: got nan at observation 0": replaced(data, observations=rows.assign(dv=rows["dv"] * np.nan)),
        r"not among the subjects": replaced(data, covariates=people.isel(subject=slice(3))),
        r"empty; nothing to fit": replaced(data, observations=rows.isel(observation=[])),
        r"wanted a Dataset observations on it, got a dict": {"observations": rows},
    }
    for words, wrong in bad.items():
        with pytest.raises(PopulationError, match=words):
            calibrate(population, wrong, never, seed=1)
    with pytest.raises(PopulationError, match=r"allow: got \['r_hat'\], wanted some of"):
        calibrate(population, data, never, seed=1, allow=["r_hat"])
    with pytest.raises(PopulationError, match="got output 'inr', wanted one of"):
        calibrate(population, data, never, seed=1, output="inr")
    with pytest.raises(PopulationError, match="seed: got -1"):
        calibrate(population, data, never, seed=-1)


def test_one_occasion_cannot_tell_people_from_occasions(data):
    written = json.loads(json.dumps(PRIOR))
    written["parameters"]["cl"]["between_subject"]["total"] = False
    with pytest.raises(PopulationError, match=r"parameters.cl.between_subject: .* write total: true"):
        calibrate(cohorts.load_population(written), data, equations(data), seed=1)


def test_a_prior_under_which_people_are_impossible_is_refused_before_any_work(data):
    written = json.loads(json.dumps(PRIOR))
    del written["parameters"]["cl"]["effects"]["sex"]["levels"]["male"]["lower"]
    with pytest.raises(PopulationError, match=r"parameters.cl: got -.*truncate the effects of \['sex'\]"):
        calibrate(cohorts.load_population(written), data, None, seed=1)


def test_data_digest_and_covariates(population, data):
    values = covariate_values(population, data)
    assert set(values["sex"]) == {0, 1}
    np.testing.assert_array_equal(values["sex"] == 1, data.covariates["SEX"].values == "male")
    alike = SimpleNamespace(observations=data.observations, covariates=data.covariates)
    assert individual_data(alike).digest == data.digest
    changed = data.observations.assign(dv=data.observations["dv"] + 1e-9)
    assert replaced(data, observations=changed).digest != data.digest
    swapped = data.covariates.assign(SEX=data.covariates["SEX"].roll(subject=1, roll_coords=False))
    assert replaced(data, covariates=swapped).digest != data.digest
