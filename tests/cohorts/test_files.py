"""What is written is read back equal, and what fails its gates stays."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import cohorts
from cohorts import PopulationError

SUFFIXES = ("zarr", "nc", "parquet", "csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("occasions", [1, 2])
def test_a_cohort_comes_back(population, tmp_path, suffix, occasions):
    drawn = cohorts.draw(population, 7, 3, seed=1, occasions=occasions)
    found = cohorts.read_cohort(cohorts.write_cohort(drawn, tmp_path / f"people.{suffix}"))
    xr.testing.assert_equal(found, drawn)
    for name, variable in drawn.data_vars.items():
        assert found[name].dtype == variable.dtype
        assert {k: list(v) if np.ndim(v) else v for k, v in found[name].attrs.items()} == variable.attrs, name
    assert found.attrs["notice"].startswith("SIMULATED")
    assert found.attrs["judged"] == "no"
    assert found.attrs["population_digest"] == drawn.attrs["population_digest"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_screening_and_posterior_say_comes_back(written, tmp_path, suffix):
    written["eligibility"] = [
        {"name": "weight", "covariate": "weight", "min": 60},
        {"name": "age", "covariate": "age", "max": 60},
    ]
    drawn = cohorts.draw(cohorts.load_population(written), 5, 2, seed=1)
    drawn = drawn.assign_coords(posterior_draw=("replicate", [3, 8]))
    xr.testing.assert_equal(cohorts.read_cohort(cohorts.write_cohort(drawn, tmp_path / f"people.{suffix}")), drawn)


def test_tables_are_for_people(population, tmp_path):
    drawn = cohorts.draw(population, 4, 2, seed=1)
    cohorts.write_cohort(drawn, tmp_path / "people.csv")
    table = pd.read_csv(tmp_path / "people.csv")
    assert len(table) == 8
    assert set(table["sex"]) <= {"female", "male"}
    assert len(pd.read_csv(tmp_path / "people.population.csv")["omega_cl"].unique()) == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten(population, tmp_path, suffix):
    drawn = cohorts.draw(population, 2, 1, seed=1)
    path = cohorts.write_cohort(drawn, tmp_path / f"people.{suffix}")
    with pytest.raises(PopulationError, match=r"people.* exists"):
        cohorts.write_cohort(drawn, path)


def test_a_cohort_that_fails_stays(population, tmp_path):
    drawn = cohorts.draw(population, 300, 1, seed=1)
    source = pd.DataFrame({name: drawn[name].values[0] for name in ("age", "weight")})
    found = cohorts.assess(drawn, source, seed=1)
    with pytest.raises(PopulationError, match=r"does not pass its gates: privacy: 1\.000 more of its records"):
        cohorts.write_cohort(drawn, tmp_path / "people.zarr", quality=found)
    assert not (tmp_path / "people.zarr").exists()
    cohorts.write_cohort(drawn, tmp_path / "people.zarr", quality=found, allow=["privacy"])
    kept = cohorts.read_cohort(tmp_path / "people.zarr")
    assert kept.attrs["allowed"] == "privacy"
    assert "privacy" in json.loads(kept.attrs["judged"])["failures"]


@pytest.mark.parametrize(
    ("path", "said"), [("a.txt", r"got '\.txt'.*wanted one of"), ("b", "got ''"), ("none.zarr", "there is no")]
)
def test_paths_that_are_none(tmp_path, path, said):
    with pytest.raises(PopulationError, match=said):
        cohorts.read_cohort(tmp_path / path) if path == "none.zarr" else cohorts.write_cohort(xr.Dataset(), path)


def test_what_is_no_cohort_is_not_read(tmp_path):
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(PopulationError, match="is no cohort"):
        cohorts.read_cohort(tmp_path / "x.nc")
    (tmp_path / "y.csv").write_text("a\n1\n")
    with pytest.raises(PopulationError, match=r"lacks y\.csv\.json"):
        cohorts.read_cohort(tmp_path / "y.csv")


@pytest.fixture
def posterior():
    rng = np.random.default_rng(1)
    draws = ("chain", "draw")
    group = xr.Dataset(
        {
            "cl_pop": (draws, rng.random((2, 5)), {"units": "L/h"}),
            "beta_cl_sex": ((*draws, "beta_cl_sex_level"), rng.random((2, 5, 2))),
            "z_cl": ((*draws, "subject"), rng.random((2, 5, 3))),
        },
        {"chain": [0, 1], "draw": range(5), "beta_cl_sex_level": ["female", "male"], "subject": [1, 2, 3]},
    )
    tree = xr.DataTree.from_dict({"posterior": group, "sample_stats": xr.Dataset({"lp": (draws, rng.random((2, 5)))})})
    tree.attrs = {"population": "made_up"}
    return tree


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_a_posterior_comes_back(posterior, tmp_path, suffix):
    path = cohorts.write_posterior(posterior, tmp_path / f"posterior.{suffix}")
    xr.testing.assert_equal(cohorts.read_posterior(path), posterior)
    assert cohorts.read_posterior(path).attrs == posterior.attrs
    with pytest.raises(PopulationError, match="exists"):
        cohorts.write_posterior(posterior, path)


def test_draws_as_a_table(posterior, tmp_path):
    table = pd.read_parquet(cohorts.write_draws(posterior, tmp_path / "draws.parquet"))
    assert list(table) == ["chain", "draw", "cl_pop", "beta_cl_sex[female]", "beta_cl_sex[male]"]
    one = table[(table["chain"] == 1) & (table["draw"] == 3)].iloc[0]
    assert one["beta_cl_sex[male]"] == posterior["posterior"]["beta_cl_sex"].values[1, 3, 1]
