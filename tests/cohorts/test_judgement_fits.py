"""Judging real fits: what `calibrate` stores for it, the pictures, and simulation studies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

import cohorts
from cohorts import IndividualData, PopulationError
from cohorts.calibration.diagnosis import ADVICE
from cohorts.figures.style import save
from cohorts.judgement.refits import Sampler, refitter, run
from cohorts.judgement.self_consistency import uniform_ranks

PEOPLE, TIMES, DOSE = 12, np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 100.0
SOURCE = {"source": "made up"}
POPULATION = {
    "name": "bolus",
    "reference": "nobody, for the tests",
    "covariates": {
        "weight": {"unit": "kg", "meaning": "body weight", "column": "WT", **SOURCE,
                   "distribution": {"normal": {"mean": 70, "sd": 12}, "lower": 40}},
    },
    "parameters": {
        "cl": {"unit": "L/h", "meaning": "clearance", "typical": {"lognormal": {"median": 3, "cv": 0.3}},
               "effects": {"weight": {"kind": "power", "reference": 70, "coefficient": 0.75}},
               "between_subject": {"lognormal": {"median": 0.3, "cv": 0.3}}, **SOURCE},
        "v": {"unit": "L", "meaning": "volume", "typical": {"lognormal": {"median": 30, "cv": 0.3}},
              "between_subject": {"lognormal": {"median": 0.2, "cv": 0.3}}, **SOURCE},
    },
    "residual": {
        "concentration": {"kind": "lognormal", "lognormal": {"lognormal": {"median": 0.15, "cv": 0.3}}, **SOURCE}
    },
}  # fmt: skip
LABELS = ["cl_pop", "omega_cl", "v_pop", "omega_v", "sigma_lognormal_concentration"]
ALL = ("vpc", "npde", "gof", "shrinkage", "ppc", "loo", "waic", "prior_sensitivity")
PLOTS = ("vpc", "npde", "gof", "etas", "shrinkage", "ppc", "loo", "prior_sensitivity")


def design(seed=5):
    """People of known covariates, and measurements drawn from the middle of the priors."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(70, 12, PEOPLE)
    cl = 3.0 * (weight / 70) ** 0.75 * np.exp(0.3 * rng.standard_normal(PEOPLE))
    v = 30.0 * np.exp(0.2 * rng.standard_normal(PEOPLE))
    mean = DOSE / v[:, None] * np.exp(-(cl / v)[:, None] * TIMES)
    dv = mean * np.exp(0.15 * rng.standard_normal(mean.shape))
    columns = {"subject": np.repeat(np.arange(PEOPLE), len(TIMES)), "time": np.tile(TIMES, PEOPLE), "dv": dv.ravel()}
    people = {"WT": ("subject", weight), "ward": ("subject", np.array(["a", "b"])[np.arange(PEOPLE) % 2])}
    return IndividualData(
        xr.Dataset({k: ("observation", x) for k, x in columns.items()}),
        xr.Dataset(people, {"subject": np.arange(PEOPLE)}),
    )


def equations(data):
    place, time = data.position, data.observations["time"].values

    def predict(parameters):
        import pytensor.tensor as pt

        cl, v = (parameters[name][place] for name in ("cl", "v"))
        return DOSE / v * pt.exp(-cl / v * time)

    return predict


@pytest.fixture(scope="module")
def population():
    return cohorts.load_population(POPULATION)


@pytest.fixture(scope="module")
def data():
    return design()


@pytest.fixture(scope="module")
def fit(population, data):
    return cohorts.calibrate(
        population, data, equations(data), seed=1, tune=500, draws=500, target_accept=0.9, allow=tuple(ADVICE)
    )


@pytest.fixture(scope="module")
def integrated(fit, population, data):
    return cohorts.integrate_subjects(fit, population, data, equations(data))


def test_predictions_at_the_posterior_means_by_hand(fit, data):
    """And the derivatives: those of ln f = ln(dose / v) - cl t / v with respect to the standard normal effects."""
    group, found = fit["posterior"].to_dataset().mean(("chain", "draw")), fit["individual_fit"].to_dataset()
    time, place = data.observations["time"].values, data.position
    size = (data.covariates["WT"].values / 70) ** 0.75
    cl = (group["cl_pop"].item() * size * np.exp(group["omega_cl"].item() * group["z_cl"].values))[place]
    v = (group["v_pop"].item() * np.exp(group["omega_v"].item() * group["z_v"].values))[place]
    np.testing.assert_allclose(found["ipred"], DOSE / v * np.exp(-cl / v * time))
    typical, volume = group["cl_pop"].item() * size[place], group["v_pop"].item()
    np.testing.assert_allclose(found["pred"], DOSE / volume * np.exp(-typical / volume * time))
    slope = found["jacobian"].sel(effect="cl")
    np.testing.assert_allclose(slope, -cl / v * time * group["omega_cl"].item(), rtol=1e-5)
    slope = found["jacobian"].sel(effect="v")
    np.testing.assert_allclose(slope, (cl / v * time - 1.0) * group["omega_v"].item(), rtol=1e-5, atol=1e-7)
    eta = fit["posterior"]["omega_cl"] * fit["posterior"]["z_cl"]
    np.testing.assert_allclose(found["eta"].sel(effect="cl"), eta.mean(("chain", "draw")))
    np.testing.assert_allclose(found["sd"], group["sigma_lognormal_concentration"].item())
    assert found["log"].values.tolist() == [1.0] * len(time)


def test_the_log_prior_is_the_density_of_each_prior(fit):
    def lognormal(median, cv):
        return stats.lognorm(np.sqrt(np.log1p(cv**2)), scale=median)

    priors = {"cl_pop": lognormal(3, 0.3), "omega_cl": lognormal(0.3, 0.3), "v_pop": lognormal(30, 0.3),
              "omega_v": lognormal(0.2, 0.3), "sigma_lognormal_concentration": lognormal(0.15, 0.3)}  # fmt: skip
    found = fit["log_prior"].to_dataset()
    assert set(found.data_vars) == set(priors)
    for name, prior in priors.items():
        np.testing.assert_allclose(found[name], prior.logpdf(fit["posterior"][name]), rtol=1e-9)


def test_the_likelihood_of_a_person_is_integrated(integrated, fit, data):
    """Against a grid over both random effects, at one draw."""
    first = fit["posterior"].to_dataset().isel(chain=2).sel(draw=integrated["log_likelihood_subject"]["draw"][3])
    grid = np.linspace(-6, 6, 241)
    z_cl, z_v = np.meshgrid(grid, grid, indexing="ij")
    size = (data.covariates["WT"].values / 70) ** 0.75
    sigma = first["sigma_lognormal_concentration"].item()
    for person in range(3):
        own = data.position == person
        cl = first["cl_pop"].item() * size[person] * np.exp(first["omega_cl"].item() * z_cl)
        v = first["v_pop"].item() * np.exp(first["omega_v"].item() * z_v)
        mean = np.log(DOSE / v)[..., None] - (cl / v)[..., None] * data.observations["time"].values[own]
        y = data.observations["dv"].values[own]
        inner = (stats.norm(mean, sigma).logpdf(np.log(y)) - np.log(y)).sum(axis=-1)
        whole = np.exp(inner) * stats.norm.pdf(z_cl) * stats.norm.pdf(z_v)
        exact = np.log(whole.sum() * (grid[1] - grid[0]) ** 2)
        found = integrated["log_likelihood_subject"]["likelihood"].isel(chain=2, draw=3, subject=person).item()
        assert found == pytest.approx(exact, abs=0.06)


def test_leaving_out_people_is_reliable_where_leaving_out_what_is_known_of_them_is_not(integrated, population, data):
    by_person = cohorts.loo(integrated, by="subject")
    assert by_person.attrs["unreliable"] <= 1
    assert by_person.sizes == {"subject": PEOPLE}
    assert 1.0 < by_person.attrs["p"] < 8.0
    conditional = (
        integrated["log_likelihood"]
        .to_dataset()["concentration"]
        .groupby(xr.DataArray(data.position, dims="observation"))
    )
    summed = integrated.copy()
    summed["log_likelihood_subject"] = xr.DataTree(conditional.sum().rename(group="subject").to_dataset(name="y"))
    assert cohorts.loo(summed, by="subject").attrs["unreliable"] > PEOPLE // 2
    other = IndividualData(data.observations.assign(dv=data.observations["dv"] * 2), data.covariates)
    with pytest.raises(PopulationError, match="fitted to other data"):
        cohorts.integrate_subjects(integrated, population, other, equations(other))
    with pytest.raises(PopulationError, match="points: got 10, wanted a power of 2"):
        cohorts.integrate_subjects(integrated, population, data, equations(data), points=10)


def test_a_tree_from_a_file_is_judged_the_same(integrated, tmp_path):
    path = tmp_path / "posterior.nc"
    integrated.to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        again = opened.load()
    for name in ALL:
        xr.testing.assert_allclose(getattr(cohorts, name)(again), getattr(cohorts, name)(integrated))
    xr.testing.assert_allclose(cohorts.loo(again, by="subject"), cohorts.loo(integrated, by="subject"))
    for name in PLOTS:
        assert isinstance(getattr(cohorts, f"plot_{name}")(again), Figure), name


def test_every_picture_is_drawn_and_written_alike_twice(integrated, tmp_path):
    options = {"vpc": {"stratify": "ward", "corrected": True, "lloq": 0.5, "log": True}, "gof": {"log": True},
               "loo": {"by": "subject"}, "ppc": {"group": "prior_predictive"}}  # fmt: skip
    for name in PLOTS:
        draw = getattr(cohorts, f"plot_{name}")
        one, other = (save(draw(integrated, **options.get(name, {})), tmp_path / f"{name}{i}.svg") for i in "ab")
        assert one.read_bytes() == other.read_bytes(), name
        assert len(one.read_bytes()) > 5000, name
    table = cohorts.gof(integrated)
    assert set(table.attrs["covariates"]) == {"weight", "ward"}
    assert table["weight"].attrs["units"] == "kg"
    pair = {"one": integrated, "other": integrated.copy()}
    assert isinstance(cohorts.plot_compare(pair), Figure)
    assert isinstance(cohorts.plot_compare(cohorts.compare(pair, by="observation")), Figure)


# ------------------------------------------------------------------------------------------------- simulation studies

QUICK = Sampler(draws=49, chains=1, tune=200, sampled=150, longest=300)


def test_a_study_goes_on_where_it_stopped_and_refuses_another_studys_file(population, data, tmp_path):
    place, told = tmp_path / "runs" / "sbc.jsonl", []
    study = {"seed": 3, "sampler": QUICK, "store": place, "progress": lambda *what: told.append(what)}
    first = cohorts.simulation_based_calibration(population, data, equations(data), n=2, **study)
    lines = place.read_text().splitlines()
    assert len(lines) == 3
    place.write_text("\n".join(lines) + "\n" + lines[2][:40])
    whole = cohorts.simulation_based_calibration(population, data, equations(data), n=4, **study)
    xr.testing.assert_equal(whole["rank"].isel(simulation=slice(2)), first["rank"])
    assert len(place.read_text().splitlines()) == 5
    assert whole["parameter"].values.tolist() == LABELS
    assert whole.attrs["levels"] == 50
    assert told[-1] == ("fitting simulated data", 4, 4)
    assert isinstance(cohorts.plot_sbc(whole), Figure)
    whole.to_netcdf(tmp_path / "sbc.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "sbc.nc", engine="h5netcdf") as again:
        assert isinstance(cohorts.plot_sbc(xr.DataTree.from_dict({"sbc": again.load()})), Figure)
    with pytest.raises(PopulationError, match="belongs to other settings"):
        cohorts.simulation_based_calibration(population, data, equations(data), n=4, **{**study, "seed": 4})
    known = {"truth": {"cl_pop": 2.0}, **study, "store": None}
    found = cohorts.parameter_recovery(population, data, equations(data), n=3, **known)
    assert found["truth"].isel(simulation=0).values.tolist() == pytest.approx([2.0, 0.3, 30.0, 0.2, 0.15])
    assert isinstance(cohorts.plot_recovery(found), Figure)


def test_studies_refuse_what_they_cannot_do(population, data):
    with pytest.raises(PopulationError, match=r"truth: got \['ka_pop'\], wanted some of"):
        cohorts.parameter_recovery(population, data, equations(data), truth={"ka_pop": 1.0}, seed=1)
    with pytest.raises(PopulationError, match="n: got 0, wanted a whole number >= 1"):
        cohorts.simulation_based_calibration(population, data, equations(data), n=0, seed=1)
    with pytest.raises(PopulationError, match="1 chains of 10 give fewer than the 99 draws to keep"):
        Sampler(chains=1, sampled=10)
    with pytest.raises(PopulationError, match=r"sampler.tune: got 0\.5, wanted a whole number >= 1"):
        Sampler(tune=0.5)


SHORT = Sampler(chains=1, tune=300, sampled=250)


@pytest.mark.slow
def test_ranks_are_uniform_unless_the_priors_are_not_those_of_the_data(population, data):
    """200 fits to data of the prior; 200 more where data come from a prior 30 % higher in clearance."""
    right = cohorts.simulation_based_calibration(population, data, equations(data), n=200, seed=1, sampler=SHORT)
    assert right.attrs["p_least"] > 0.01
    assert right.attrs["short"] < 10
    assert (right["contraction"] > 0.2).all()
    written = {**POPULATION, "parameters": dict(POPULATION["parameters"])}
    written["parameters"]["cl"] = {**written["parameters"]["cl"], "typical": {"lognormal": {"median": 3.9, "cv": 0.3}}}
    fits = refitter(population, data, equations(data), seed=2, output="", truth=None, sampler=SHORT)
    wrong = run(replace(fits, population=cohorts.load_population(written)), 200, store=None, progress=None, about={})
    assert float(uniform_ranks(wrong, 100)["p_ecdf"].sel(parameter="cl_pop")) < 0.005


@pytest.mark.slow
def test_known_values_are_recovered(population, data, tmp_path):
    truth = {"cl_pop": 3.2, "omega_cl": 0.3}
    found = cohorts.parameter_recovery(
        population,
        data,
        equations(data),
        truth=truth,
        n=100,
        seed=1,
        sampler=SHORT,
        store=Path(tmp_path) / "fits.jsonl",
    )
    assert float(abs(found["relative_bias"]).max()) < 0.1
    assert ((found["coverage"] > 0.8) | (found["coverage_mcse"] > 0.04)).all()
    assert float(found["coverage_mcse"].max()) < 0.05
