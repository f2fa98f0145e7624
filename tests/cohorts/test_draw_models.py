"""Covariate models in a population: read, drawn at addresses, screened, fitted to; a million patients."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import cohorts
from cohorts import IndividualData, draw, load_population
from cohorts.calibration.data import covariate_values
from cohorts.drawing.streams import BLOCK

NAMES = ["age", "height", "weight", "albumin", "creatinine", "sex"]
MATRIX = (0.4 * np.ones((6, 6)) + 0.6 * np.eye(6)).tolist()
MARGINS = {
    "age": {"unit": "year", "meaning": "age", "distribution": {"normal": {"mean": 50, "sd": 12}}},
    "height": {"unit": "cm", "meaning": "height", "distribution": {"normal": {"mean": 170, "sd": 9}}},
    "weight": {"unit": "kg", "meaning": "weight", "distribution": {"lognormal": {"median": 75, "cv": 0.2}}},
    "albumin": {"unit": "g/L", "meaning": "albumin", "distribution": {"normal": {"mean": 42, "sd": 3}}},
    "creatinine": {"unit": "mg/dL", "meaning": "creatinine", "distribution": {"lognormal": {"median": 0.9, "cv": 0.2}}},
    "sex": {"meaning": "sex", "levels": {"female": 0.5, "male": 0.5}},
}
EFFECTS = {"weight": {"kind": "allometric", "reference": 70},
           "sex": {"kind": "fraction", "levels": {"female": 0, "male": 0.2}},
           "age": {"kind": "linear", "reference": 50, "coefficient": -0.002}}  # fmt: skip
MATRIX_OF_FOUR = (0.3 * np.ones((4, 4)) + 0.7 * np.eye(4)).tolist()
WRITTEN = {
    "name": "modelled",
    "reference": "nobody, for the tests",
    "covariates": {
        "site_class": {"meaning": "kind of hospital", "levels": {"small": 0.7, "large": 0.3}, "source": "x"},
        "body": {"model": "copula", "margins": MARGINS, "correlation": MATRIX, "source": "x"},
        "smoker": {"meaning": "smokes", "levels": {"no": 0.8, "yes": 0.2}, "source": "x"},
    },
    "parameters": {
        name: {"unit": "L", "meaning": "x", "typical": {"lognormal": {"median": 3, "cv": 0.1}}, "effects": EFFECTS,
               "between_subject": {"halfnormal": {"sd": 0.3}}, "source": "x"}
        for name in ("cl", "v", "q", "ka")
    },
    "correlations": [{"of": ["cl", "v", "q", "ka"], "matrix": MATRIX_OF_FOUR, "source": "x"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def population():
    return load_population(WRITTEN)


def test_it_comes_back(population):
    assert load_population(json.loads(json.dumps(population.to_dict()))) == population
    assert population.covariate_names == ("site_class", *NAMES, "smoker")


def test_a_model_is_drawn_at_addresses(population):
    whole = draw(population, BLOCK + 5, 4, seed=7)
    xr.testing.assert_identical(draw(population, BLOCK - 3, 2, seed=7, first=1),
                                whole.isel(subject=slice(BLOCK - 3), replicate=slice(1, 3)))  # fmt: skip
    large = draw(population, 4000, 1, seed=8)
    table = np.stack([large[n].values[0] for n in ("age", "height", "weight")])
    assert np.abs(stats.spearmanr(table.T).statistic - 0.4 - 0.6 * np.eye(3)).max() < 0.05
    assert large["weight"].attrs == {"role": "covariate", "long_name": "weight", "units": "kg", "source": "x"}
    assert large["sex"].attrs["levels"] == ["female", "male"]
    assert stats.kstest(large["age"].values[0], stats.norm(50, 12).cdf).pvalue > 1e-3


def test_what_stands_beside_a_model_does_not_change_it(population):
    """A covariate after a model has its own random numbers."""
    others = {k: v for k, v in WRITTEN["covariates"].items() if k != "smoker"}
    fewer = load_population({**WRITTEN, "covariates": others})
    assert set(draw(population, 3, 1, seed=1)) - set(draw(fewer, 3, 1, seed=1)) == {"smoker"}


def test_a_fit_takes_the_models_covariates_from_the_data(population):
    people = {
        "age": ("subject", [40.0, 50.0]),
        "weight": ("subject", [70.0, 80.0]),
        "sex": ("subject", ["male", "female"]),
    }
    rows = {"subject": ("observation", [0, 1]), "time": ("observation", [1.0, 1.0]), "dv": ("observation", [1.0, 2.0])}
    data = IndividualData(xr.Dataset(rows), xr.Dataset(people, {"subject": [0, 1]}))
    found = covariate_values(population, data)
    assert found["sex"].tolist() == [1, 0]
    assert found["age"].tolist() == [40.0, 50.0]


def test_pymc_draws_a_models_covariates_as_numpy_does(population):
    """Two programs: pm.draw of the built model, and draw(); a copula, rows of a table, genotypes by race, equations."""
    import pymc as pm

    people = {"people": {"model": "group", "use": "adults_pgx"}}
    survey = load_population({**WRITTEN, "covariates": people, "parameters": {
        "cl": {"unit": "L/h", "meaning": "x", "typical": 3, "source": "x", "between_subject": 0.3,
               "effects": {"weight": {"kind": "power", "reference": 70, "coefficient": 0.75}}}},
        "correlations": []})  # fmt: skip
    for people, names in ((population, ("age", "weight", "sex", "smoker")), (survey, ("age", "weight", "cyp2c9"))):
        model = people.build(4000)
        tensors = [model[n] for n in (*names, "cl")]
        built = dict(zip((*names, "cl"), pm.draw(tensors, random_seed=3, mode="FAST_COMPILE"), strict=True))
        cohort = draw(people.centred(), 4000, 1, seed=2)
        for name in names:
            one, other = built[name], cohort[name].values[0]
            assert one.dtype == other.dtype
            assert stats.ks_2samp(one, other).pvalue > 1e-3, name
        pairs = [stats.spearmanr(v["age"], v["weight"]).statistic for v in (built, cohort.isel(replicate=0))]
        assert abs(pairs[0] - pairs[1]) < 0.07
    sexes = {v: built["weight"][built["cyp2c9"] == v].mean() for v in (0, 1)}
    assert sexes[0] == pytest.approx(sexes[1], rel=0.05)


def test_criteria_on_a_model(population):
    criteria = [
        {"name": "adults", "covariate": "age", "min": 40, "max": 60},
        {"name": "s", "covariate": "smoker", "in": ["no"]},
    ]
    chosen = draw(load_population({**WRITTEN, "eligibility": criteria}), 300, 3, seed=2)
    assert float(chosen["age"].min()) >= 40
    assert (chosen["smoker"] == 0).all()
    assert cohorts.load_population({**WRITTEN, "eligibility": criteria}).fitted_digest == population.fitted_digest


@pytest.mark.parametrize(("n", "replicates"), [(1000, 1000), (1_000_000, 1)])
def test_a_million_patients(population, n, replicates):
    """Six correlated covariates and four parameters of each, all of them different."""
    cohort = draw(population, n, replicates, seed=1)
    assert len(np.unique(cohort["cl"].values)) == 1_000_000
