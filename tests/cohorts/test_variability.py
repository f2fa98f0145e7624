"""Transformations, effects, sites, studies, classes and eligibility: patients by hand, and in distribution."""

import copy
import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from cohorts import PopulationError, draw, load_population
from cohorts.drawing.streams import BLOCK
from cohorts.specification.defaults import DEFAULTS
from cohorts.specification.individuals import individual
from cohorts.specification.parameters import bent

WRITTEN = {
    "name": "varied",
    "reference": "nobody, for the tests",
    "covariates": {
        "pma": {
            "unit": "week", "meaning": "postmenstrual age",
            "distribution": {"uniform": {"low": 28, "high": 60}}, "source": "x",
        },
        "weight": {
            "unit": "kg", "meaning": "weight", "distribution": {"lognormal": {"median": 4, "cv": 0.3}}, "source": "x",
        },
        "sex": {"meaning": "sex", "levels": {"female": 0.5, "male": 0.5}, "source": "x"},
    },
    "mixture": {
        "pheno": {
            "meaning": "metaboliser phenotype", "dirichlet": {"poor": 2, "normal": 3, "fast": 5}, "source": "x",
        }
    },
    "parameters": {
        "cl": {
            "unit": "L/h", "meaning": "clearance", "scale": "box-cox", "shape": {"normal": {"mean": 0.4, "sd": 0.1}},
            "typical": {"lognormal": {"median": 2, "cv": 0.5}},
            "effects": {
                "weight": {"kind": "allometric", "reference": 70, "exponent": {"normal": {"mean": 0.75, "sd": 0.1}}},
                "pma": {
                    "kind": "maturation", "tm50": {"lognormal": {"median": 47.7, "cv": 0.1}}, "hill": 3.4,
                    "source": "Anderson & Holford 2008",
                },
                "pheno": {"kind": "factor", "levels": {"poor": 0.2, "normal": 1, "fast": 2}},
            },
            "between_subject": {"halfnormal": {"sd": 0.3}}, "between_occasion": 0.1,
            "between_site": {"halfnormal": {"sd": 0.2}}, "between_study": 0.15, "source": "x",
        },
        "bio": {
            "unit": "1", "meaning": "fraction", "scale": "logit-normal", "low": 0.2, "high": 0.9, "typical": 0.5,
            "between_subject": 0.8, "between_study": 0.3, "parameterisation": "non-centred", "source": "x",
        },
    },
    "residual": {
        "conc": {"kind": "combined2", "additive": 0.1, "proportional": "default", "student": "default", "blq": "M4",
                 "source": "x"},
    },
    "outcomes": {
        "count": {"kind": "negative_binomial", "dispersion": {"halfnormal": {"sd": 0.5}}, "source": "x"},
        "death": {"kind": "event", "hazard": "h", "cumulative_hazard": "ch"},
    },
    "eligibility": [
        {"name": "heavy", "covariate": "weight", "min": 3.0},
        {"name": "boys", "covariate": "sex", "in": ["male"]},
    ],
}  # fmt: skip


@pytest.fixture
def written():
    return copy.deepcopy(WRITTEN)


@pytest.fixture(scope="module")
def population():
    return load_population(WRITTEN)


VALUES = {
    "cl_pop": 5.0, "beta_cl_weight": 0.75, "tm50_cl_pma": 47.7, "hill_cl_pma": 3.4, "beta_cl_pheno": [0.2, 1.0, 2.0],
    "omega_cl": 0.3, "gamma_cl": 0.1, "tau_site_cl": 0.2, "tau_study_cl": 0.15, "shape_cl": 0.4, "bio_pop": 0.5,
    "omega_bio": 0.8, "tau_study_bio": 0.3,
}  # fmt: skip
COVARIATES = {"weight": np.array([70.0, 4.0, 3.0]), "pma": np.array([1e6, 47.7, 30.0]), "pheno": np.array([1, 0, 2]),
              "sex": np.array([0, 1, 0])}  # fmt: skip
Z = {"cl": np.array([0.0, 1.0, -1.5]), "bio": np.array([0.0, 1.0, -2.0])}
SITES = {"cl": np.array([0.0, 0.5, -1.0])}
STUDIES = {"cl": np.array([0.0, 1.0, 1.0]), "bio": np.array([0.0, 1.0, -1.0])}


def test_a_patient_by_hand(population):
    found = individual(population, VALUES, COVARIATES, Z, None, xp=np, sites=SITES, studies=STUDIES)
    maturation = 30.0**3.4 / (47.7**3.4 + 30.0**3.4)
    eta = 0.3 * np.array([1.0, -1.5])
    skewed = (np.exp(eta) ** 0.4 - 1.0) / 0.4
    second = 5.0 * (4 / 70) ** 0.75 * 0.5 * 0.2 * np.exp(skewed[0] + 0.2 * 0.5 + 0.15)
    third = 5.0 * (3 / 70) ** 0.75 * maturation * 2.0 * np.exp(skewed[1] - 0.2 + 0.15)
    np.testing.assert_allclose(found["cl"], [5.0, second, third])
    logit = np.log((0.5 - 0.2) / (0.9 - 0.5)) + np.array([0.0, 0.8 + 0.3, -1.6 - 0.3])
    np.testing.assert_allclose(found["bio"], 0.2 + 0.7 / (1.0 + np.exp(-logit)))


def test_pytensor_gives_the_same_patients(population):
    import pytensor.tensor as pt

    found = individual(population, VALUES, COVARIATES, Z, None, xp=np, sites=SITES, studies=STUDIES)
    symbols = {n: [pt.as_tensor(np.asarray(i)) for i in v] if isinstance(v, list) else pt.as_tensor(np.asarray(v))
               for n, v in VALUES.items()}  # fmt: skip
    rest = [{n: pt.as_tensor(v) for n, v in m.items()} for m in (COVARIATES, Z, SITES, STUDIES)]
    tensors = individual(population, symbols, *rest[:2], None, xp=pt, sites=rest[2], studies=rest[3])
    for name, value in tensors.items():
        np.testing.assert_allclose(value.eval(mode="FAST_COMPILE"), found[name], rtol=1e-13)


def test_the_box_cox_deviation():
    eta = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(bent(eta, 0.5, np), (np.exp(0.5 * eta) - 1) / 0.5)
    np.testing.assert_allclose(bent(eta, 0.0, np), eta)
    np.testing.assert_allclose(bent(eta, 1e-7, np), eta, rtol=1e-6)
    assert stats.skew(bent(np.random.default_rng(1).standard_normal(4000), -0.5, np)) < -0.5


def leaves(value, path=()):
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


OTHERS = {"M4": "M3", "non-centred": "centred", "male": "female"}
FIXED = {"meaning": "x", "levels": {"poor": 0.2, "normal": 0.3, "fast": 0.5}, "source": "x"}
TEXTS = {"source", "meaning", "unit", "name", "reference", "hazard", "cumulative_hazard"}


def changed(value, path):
    """Another value that the same field may have."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float | int):
        return value * 1.01 + (0.01 if value == 0 else 0.0)
    return OTHERS.get(value, value + " x" if path[-1] in TEXTS else None)


NUMBERS_ALONE = {"scale", "kind"}
"""Words whose change takes other keys along; each is changed in a test of its own."""


def test_every_field_changes_the_population(population):
    """A walk over every number and word of the file: none may be read and forgotten."""
    original = population.to_dict()
    digests, walked = {population.digest}, 0
    for path, value in leaves(original):
        if path[-1] in NUMBERS_ALONE or (path[0] == "covariates" and "levels" in path) or path[-1] == "covariate":
            continue
        other = json.loads(json.dumps(original))
        inner = other
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = changed(value, path)
        assert inner[path[-1]] is not None, path
        digests.add(load_population(other).digest)
        walked += 1
    assert walked > 80
    assert len(digests) == walked + 1


FIELDS = [
    ("parameters.cl", {"shape": 0.9}, {"cl", "shape_cl"}),
    ("parameters.cl", {"typical": 1.0}, {"cl", "cl_pop"}),
    ("parameters.cl.effects.weight", {"reference": 10}, {"cl"}),
    ("parameters.cl.effects.weight", {"exponent": 1.0}, {"cl", "beta_cl_weight"}),
    ("parameters.cl.effects.pma", {"tm50": 40.0}, {"cl", "tm50_cl_pma"}),
    ("parameters.cl.effects.pma", {"hill": 2.0}, {"cl", "hill_cl_pma"}),
    ("parameters.cl.effects.pheno.levels", {"fast": 3.0}, {"cl", "beta_cl_pheno"}),
    ("parameters.cl.between_subject.halfnormal", {"sd": 0.6}, {"cl", "omega_cl"}),
    ("parameters.cl", {"between_occasion": 0.2}, {"cl", "gamma_cl"}),
    ("parameters.cl.between_site.halfnormal", {"sd": 0.6}, {"cl", "tau_site_cl"}),
    ("parameters.cl", {"between_study": 0.6}, {"cl", "tau_study_cl"}),
    ("parameters.bio", {"low": 0.1}, {"bio"}),
    ("parameters.bio", {"high": 0.8}, {"bio"}),
    ("parameters.bio", {"parameterisation": "auto"}, set()),
    ("mixture.pheno.dirichlet", {"poor": 9}, {"pheno", "share_pheno_poor", "cl"}),
    ("residual.conc", {"additive": 0.3}, {"sigma_additive_conc"}),
    ("residual.conc", {"proportional": 0.3}, {"sigma_proportional_conc"}),
    ("residual.conc", {"student": 4.0}, {"nu_conc"}),
    ("outcomes.count", {"dispersion": 0.2}, {"dispersion_count"}),
    (
        "eligibility.0",
        {"min": 3.5},
        {"weight", "pma", "cl", "candidates", "screened", "failed", "failed_any"},
    ),
]


@pytest.mark.parametrize(("path", "change", "moved"), FIELDS, ids=[f"{p}-{next(iter(c))}" for p, c, _ in FIELDS])
def test_every_field_changes_what_is_drawn_and_nothing_else(population, written, path, change, moved):
    inner = written
    for key in path.split("."):
        inner = inner[int(key) if key.isdigit() else key]
    inner.update(change)
    arguments = {"n": 40, "replicates": 3, "seed": 1, "occasions": 2, "sites": 2}
    before, after = draw(population, **arguments), draw(load_population(written), **arguments)
    differ = {str(n) for n in after if not np.array_equal(before[n].values, after[n].values)}
    assert differ == moved


def test_words_that_change_what_is_drawn(written):
    """Scales: each row of the table gives other numbers; Box-Cox of shape 0 is lognormal."""
    del written["parameters"]["cl"]["shape"]
    seen = []
    for scale, more in (("lognormal", {}), ("box-cox", {"shape": 0.0}), ("box-cox", {"shape": 0.5}), ("normal", {})):
        written["parameters"]["cl"].update(scale=scale, **more)
        population = load_population({**written, "mixture": {"pheno": FIXED}})
        seen.append(draw(population.centred(), 5, 1, seed=1, sites=1)["cl"].values.sum())
        written["parameters"]["cl"].pop("shape", None)
    assert seen[0] == pytest.approx(seen[1], rel=1e-12)
    assert len({round(v, 9) for v in seen}) == 3


@pytest.mark.parametrize("blq", ["M1", "M3"])
def test_the_way_of_blq_changes_the_likelihood(population, written, blq):
    written["residual"]["conc"]["blq"] = blq
    values = {"sigma_additive_conc": 0.1, "sigma_proportional_conc": 0.2, "nu_conc": 5.0}
    given = {"below": np.array([False, True]), "lloq": np.array([np.nan, 0.2])}
    one, other = (p.residual().log_likelihood(np.array([0.3, 0.0]), (np.array([0.2, 0.3]),), values, np, **given)
                  for p in (population, load_population(written)))  # fmt: skip
    assert not np.allclose(one, other)


def test_it_comes_back_from_its_mapping(population):
    again = load_population(json.loads(json.dumps(population.to_dict())))
    assert again == population
    assert again.digest == population.digest
    assert load_population(population.centred().to_dict()) == population.centred()


def test_defaults_are_stated_where_they_are_taken(population, written):
    told = population.to_dict()["residual"]["conc"]
    assert told["proportional"] == {"halfnormal": {"sd": 0.5}, "source": DEFAULTS["proportional"].quantity().source}
    assert told["student"]["gamma"] == {"shape": 2.0, "rate": 0.1}
    assert told["student"]["lower"] == 2.0
    del written["residual"]["conc"]["proportional"], written["parameters"]["cl"]["effects"]["weight"]["exponent"]
    written["parameters"]["cl"]["between_subject"] = "default"
    written["correlations"] = [{"of": ["cl", "bio"], "lkj": "default"}]
    other = load_population(written)
    assert other.residuals == population.residuals
    cl = other.to_dict()["parameters"]["cl"]
    assert cl["between_subject"]["halfnormal"] == {"sd": 1.0}
    assert cl["between_subject"]["source"].startswith("default, weakly informative: ")
    assert cl["effects"]["weight"]["exponent"]["normal"] == {"mean": 0.75, "sd": 0.25}
    assert other.to_dict()["correlations"][0]["lkj"] == 2.0
    written["residual"]["conc"].pop("additive")
    with pytest.raises(PopulationError, match=r"residual.conc.additive: missing"):
        load_population(written)


def same(a, b):
    xr.testing.assert_identical(a, b)


def test_patients_keep_their_numbers_whatever_is_drawn_beside_them(population):
    large = draw(population, BLOCK + 30, 6, seed=3, sites=3, studies=2)
    for n, first, count in ((BLOCK - 7, 0, 6), (BLOCK + 1, 2, 3), (5, 5, 1)):
        part = draw(population, n, count, seed=3, sites=3, studies=2, first=first)
        whole = large.isel(subject=slice(n), replicate=slice(first, first + count))
        counts = ["screened", "failed", "failed_any"]
        same(part.drop_vars(counts), whole.drop_vars(counts))
        assert (part["screened"] <= whole["screened"]).all()


def test_everybody_who_enrols_is_eligible_and_failures_are_counted(population):
    cohort = draw(population, 200, 5, seed=2, sites=1)
    assert (cohort["weight"] >= 3.0).all()
    assert (cohort["sex"] == 1).all()
    assert cohort["criterion"].values.tolist() == ["heavy", "boys"]
    np.testing.assert_array_equal(cohort["screened"] - cohort["failed"].sum("criterion"), 200)
    assert (cohort["failed_any"] >= cohort["failed"]).all()
    light = stats.norm.cdf(np.log(3 / 4) / np.sqrt(np.log1p(0.09)))
    shares = (cohort["failed_any"].sum("replicate") / cohort["screened"].sum("replicate")).values
    np.testing.assert_allclose(shares, [light, 0.5], atol=0.06)


def test_eligibility_that_lets_everybody_in_changes_no_patient(written):
    written["eligibility"] = [{"name": "any", "covariate": "weight", "min": 0.0}]
    everyone = draw(load_population(written), BLOCK + 9, 2, seed=5, sites=2)
    del written["eligibility"]
    plain = draw(load_population(written), BLOCK + 9, 2, seed=5, sites=2)
    assert (everyone["screened"] == BLOCK + 9).all()
    for name in plain:
        np.testing.assert_array_equal(plain[name], everyone[name])


def test_nobody_eligible_is_refused(written):
    written["eligibility"] = [{"name": "giants", "covariate": "weight", "min": 500.0}]
    with pytest.raises(PopulationError, match=r"eligibility.giants: accepts 0 % of"):
        draw(load_population(written), 3, 1, seed=1, sites=1)


def test_sites_and_studies_share_their_deviation(written):
    written["parameters"]["cl"].update(
        scale="lognormal", typical=1.0, effects={}, between_subject=0.1, between_site=0.3
    )
    del written["parameters"]["cl"]["shape"], written["eligibility"], written["mixture"]
    cohort = draw(load_population(written), 4000, 60, seed=4, sites=8, studies=2)
    assert cohort["site"].values[:10].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert cohort["study"].values[:9].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    log = np.log(cohort["cl"].values.reshape(60, 500, 8))
    within = np.hypot(0.1, 0.1)
    assert log.std(axis=1).mean() == pytest.approx(within, rel=0.02)
    means = log.mean(axis=1)
    studies = np.stack([means[:, ::2].mean(axis=1), means[:, 1::2].mean(axis=1)])
    assert means.std() == pytest.approx(np.hypot(0.3, 0.15), rel=0.15)
    assert np.corrcoef(studies)[0, 1] == pytest.approx(0.0, abs=0.4)
    between = np.concatenate([means[:, ::2] - studies[0][:, None], means[:, 1::2] - studies[1][:, None]])
    assert between.std() * np.sqrt(4 / 3) == pytest.approx(0.3, rel=0.12)


def test_a_population_with_sites_needs_their_number(population):
    with pytest.raises(PopulationError, match=r"sites: missing; .* between sites in \['cl'\]"):
        draw(population, 3, 1, seed=1)
    with pytest.raises(PopulationError, match="sites: got 0"):
        draw(population, 3, 1, seed=1, sites=0)
    with pytest.raises(PopulationError, match="studies: got 0"):
        draw(population, 3, 1, seed=1, sites=1, studies=0)


def test_classes_follow_their_shares(population):
    cohort = draw(population, 4000, 30, seed=6, sites=1)
    assert cohort["pheno"].attrs["levels"] == ["poor", "normal", "fast"]
    assert cohort["pheno"].attrs["role"] == "class"
    first, second = cohort["share_pheno_poor"].values, cohort["share_pheno_normal"].values
    expected = np.stack([first, (1 - first) * second, (1 - first) * (1 - second)], axis=1)
    found = np.stack([(cohort["pheno"].values == code).mean(axis=1) for code in range(3)], axis=1)
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / 4000)
    many = draw(population, 1, 4000, seed=7, sites=1)
    shares = many["share_pheno_poor"].values
    assert stats.kstest(shares, stats.beta(2, 8).cdf).pvalue > 1e-3
    fast = (1 - shares) * (1 - many["share_pheno_normal"].values)
    assert stats.kstest(fast, stats.beta(5, 5).cdf).pvalue > 1e-3


def test_provenance_of_each_value(population):
    cohort = draw(population, 3, 2, seed=1, sites=1)
    assert all(cohort[name].attrs["source"] for name in cohort if cohort[name].attrs["role"] != "screening")
    assert cohort["cl"].attrs["source"] == "x | Anderson & Holford 2008"


WRONG = [
    ("parameters.cl.low", 0.1, "parameters.cl.low: box-cox has its own limits"),
    ("parameters.bio.low", 0.95, "parameters.bio.low: got 0.95, wanted less than high, 0.9"),
    ("parameters.bio.typical", 0.1, "parameters.bio.typical: got 0.1, wanted > 0.2 and < 0.9"),
    ("parameters.bio.shape", 1.0, "parameters.bio.shape: the scale logit-normal has none"),
    ("parameters.bio.parameterisation", "central", "parameters.bio.parameterisation: got 'central', wanted one of"),
    ("parameters.cl.effects.pma.reference", 40, "parameters.cl.effects.pma.reference: unknown key"),
    ("parameters.cl.effects.pma.tm50", 0, "parameters.cl.effects.pma.tm50: got 0.0, wanted > 0"),
    ("parameters.cl.effects.weight.reference", 0, "parameters.cl.effects.weight.reference: got 0.0, wanted"),
    ("parameters.cl.effects.pheno.levels.slow", 1, "parameters.cl.effects.pheno.levels.slow: unknown key"),
    ("parameters.cl.between_site", -1, "parameters.cl.between_site: got -1.0, wanted >= 0"),
    ("mixture.pheno.levels", {"a": 1}, "mixture.pheno: wanted either levels"),
    ("mixture.pheno.dirichlet", {"poor": 1}, "mixture.pheno.dirichlet: got ['poor'], wanted two classes"),
    ("mixture.pheno.dirichlet.poor", 0, "mixture.pheno.dirichlet.poor.beta.alpha: got 0.0"),
    ("mixture.other", {"meaning": "x", "levels": {"a": 0.5, "b": 0.5}, "source": "x"}, "mixture: got ['pheno',"),
    ("residual.conc.blq", "M2", "residual.conc.blq: got 'M2', wanted one of ['M1', 'M3', 'M4']"),
    ("residual.conc.student", 0, "residual.conc.student: got 0.0, wanted > 0"),
    ("outcomes.count.kind", "poison", "outcomes.count.kind: got 'poison', wanted one of"),
    ("outcomes.death.hazard", "ch", "outcomes.death: got ['ch', 'ch'], wanted different outputs"),
    ("outcomes.conc", {"kind": "poisson"}, "outcomes.conc: stands under residual too"),
    ("eligibility.0.covariate", "height", "eligibility[0].covariate: got 'height'"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "starts"), WRONG)
def test_what_is_wrong_is_named(written, path, value, starts):
    inner = written
    *keys, last = [int(k) if k == "0" else k for k in path.split(".")]
    for key in keys:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(PopulationError) as error:
        load_population(written)
    assert str(error.value).startswith(starts), str(error.value)


def test_what_depends_on_a_class_may_be_centred(written):
    written["parameters"]["cl"]["parameterisation"] = "centred"
    model = load_population(written).build(3)
    assert {"phi_cl", "z_cl", "pheno"} <= set(model.named_vars)
