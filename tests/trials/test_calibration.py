"""A trial on a calibrated population: the posterior is fitted once, recognised again, carried along.

No fit is made here: draws from the prior stand in for it. The fit has its own tests.
"""

import json

import numpy as np
import pytest
import xarray as xr

import trials
from cohorts.drawing.cohort import population_values
from tests.trials.small import CURVE, SMALL
from trials import calibration, outcomes, report
from trials.block import Work, simulate

DRAWS = 30


def made_up(population, *, seed=5, chains=2):
    """A posterior of the right form: draws from the prior, narrowed."""
    values = population_values(population.centred(), seed, range(chains * DRAWS), None)
    rng = np.random.default_rng(seed)
    group = {
        one.name: (
            ("chain", "draw"),
            (values[one.name] * np.exp(0.05 * rng.standard_normal(chains * DRAWS))).reshape(chains, -1),
        )
        for one in population.coefficients
        if one.free and one.fitted
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(group)})
    tree.attrs = {
        "fitted_digest": population.fitted_digest, "population": population.name, "data_digest": "0" * 64, "seed": seed,
        "rhat_max": 1.001, "ess_min": 900.0, "divergences": 0,
    }  # fmt: skip
    return tree


@pytest.fixture
def fits(monkeypatch):
    """How often a fit was made; the fit itself is replaced."""
    made = []

    def fit(protocol, _calibration, _events, seed, _tell):
        made.append(seed)
        return made_up(protocol.population, seed=seed)

    monkeypatch.setattr(calibration, "_fit", fit)
    monkeypatch.setattr(report, "write", lambda *_, **__: None)
    return made


def load(*overrides):
    return trials.load("theophylline_bioequivalence", [*SMALL, *CURVE, *overrides])


def test_a_fit_is_made_once_and_recognised_again(fits, tmp_path):
    first = trials.run(load(), folder=tmp_path)
    told = []
    second = trials.run(load("design.n=12"), folder=tmp_path, progress=lambda what, *_: told.append(what))
    assert fits == [1]
    assert any("posterior of the same fit" in what for what in told)
    assert first.manifest["digests"]["posterior"] == second.manifest["digests"]["posterior"]
    assert json.loads((second.folder / "manifest.json").read_text())["evidence"]["fit"] == "taken from an earlier run"
    assert (second.folder / "posterior.nc").exists()
    assert len(list((tmp_path / "posteriors").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    ["seed=2", "calibration.draws=500", "population.parameters.ka.typical.lognormal.cv=0.9", "data.exclude=[]"],
)
def test_what_changes_the_fit_makes_a_new_one(fits, tmp_path, change):
    trials.run(load(), folder=tmp_path)
    trials.run(load(change), folder=tmp_path)
    assert len(fits) == 2


def test_outcomes_are_the_same_from_a_posterior_in_memory_and_from_disk(fits, tmp_path):
    first = trials.run(load(), folder=tmp_path)
    kept = next((tmp_path / "posteriors").iterdir())
    again = trials.run(load(f"calibration.posterior={kept}"))
    assert outcomes.digest(first.outcomes) == outcomes.digest(again.outcomes)
    assert fits == [1]


def test_patients_are_drawn_from_the_posterior():
    protocol = load().protocol
    thin = calibration.thinned(protocol, made_up(protocol.population))
    draws = thin["posterior"].to_dataset()["cl_pop"].values.ravel()
    course = simulate(Work("x", protocol, range(40), 1, thin))
    assert set(course.patients["cl_pop"].values) <= set(draws)
    assert len(set(course.patients["cl_pop"].values)) > 15


def test_what_travels_is_small():
    import pickle

    protocol = load().protocol
    posterior = made_up(protocol.population)
    posterior["posterior"] = (
        posterior["posterior"].to_dataset().assign(z_cl=(("chain", "draw", "subject"), np.zeros((2, DRAWS, 500))))
    )
    thin = calibration.thinned(protocol, posterior)
    assert "z_cl" not in thin["posterior"].to_dataset()
    assert len(pickle.dumps(Work("x", protocol, range(100), 1, thin))) < 100_000


def test_the_posterior_of_another_population_is_refused(tmp_path):
    from trials.errors import TOLD

    other = made_up(load("population.parameters.ka.typical.lognormal.cv=0.9").protocol.population)
    other.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(TOLD, match="posterior: fitted to population"):
        trials.run(load(f"calibration.posterior={tmp_path / 'other.nc'}"))


def test_a_scenario_may_not_change_what_was_fitted():
    with pytest.raises(trials.TrialError, match=r"scenarios.gmr_100.set: it changes what is fitted"):
        load("+scenarios.gmr_100.set={population.parameters.v.effects.weight.coefficient: 0.5}")


def test_a_scenario_may_change_who_enrols_and_how_occasions_differ():
    changes = "{population.parameters.cl.between_occasion: 0.3}"
    trial = load(f"+scenarios.gmr_100.set={changes}")
    assert trial.scenario("gmr_100").protocol.population != trial.protocol.population


def test_a_calibrated_population_cannot_stand_at_its_medians():
    with pytest.raises(trials.TrialError, match="uncertainty: got false, but the population is calibrated"):
        load("uncertainty=false")


def test_the_data_are_those_of_the_file_without_what_is_excluded():
    trial = load()
    events = trial.calibration.source.events(trial.protocol.model)
    assert events.observations.sizes["observation"] == 120
    assert (events.observations["time"] > 0).all()
    assert events.covariates["WT"].sizes["subject"] == 12
    assert (
        load("data.exclude=[]").calibration.source.events(trial.protocol.model).observations.sizes["observation"] == 132
    )
