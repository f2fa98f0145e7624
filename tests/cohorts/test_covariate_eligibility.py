"""Screening against criteria: who passes, what it costs, and that a patient does not depend on the others."""

import math

import numpy as np
import pytest
from scipy import stats

from cohorts import draw, load_population
from cohorts.covariates.base import Variable
from cohorts.covariates.eligibility import PROBE, Criterion, enrol, passes, read_eligibility, require_acceptance
from cohorts.errors import PopulationError

KNOWN = {
    "age": Variable("age", "year", "age", "made up"),
    "weight": Variable("weight", "kg", "weight", "made up"),
    "sex": Variable("sex", "1", "sex", "made up", ("female", "male", "unknown")),
}
WRITTEN = [
    {"name": "adult", "covariate": "age", "min": 18.0, "max": 65.0},
    {"name": "heavy", "covariate": "weight", "min": 50.0},
    {"name": "sex known", "covariate": "sex", "not_in": ["unknown"]},
]


def batch(attempt, groups, size=256):
    """Candidates of a batch at addresses: nothing but attempt and group decides."""
    made = {"age": [], "weight": [], "sex": []}
    for g in groups:
        rng = np.random.default_rng([attempt, int(g)])
        made["age"].append(40 + 15 * rng.standard_normal(size))
        made["weight"].append(70 + 14 * rng.standard_normal(size))
        made["sex"].append(rng.integers(0, 3, size))
    return {k: np.array(v) for k, v in made.items()}


def test_criteria_read_back_as_written():
    criteria = read_eligibility(WRITTEN, KNOWN)
    assert [c.to_dict() for c in criteria] == WRITTEN
    assert read_eligibility(None, KNOWN) == ()


def test_criteria_accept_their_limits():
    criteria = read_eligibility(WRITTEN, KNOWN)
    drawn = {
        "age": np.array([18.0, 17.99, 65.0, 40]),
        "weight": np.array([50.0, 50, 49.9, 60]),
        "sex": np.arange(4) % 3,
    }
    assert passes(criteria, drawn).tolist() == [
        [True, False, True, True],
        [True, True, False, True],
        [True, True, False, True],
    ]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"covariate": "height", "min": 1}, r"eligibility\[0\].covariate: got 'height', wanted one of"),
        ({"covariate": "weigth", "min": 1}, "did you mean 'weight'"),
        ({"covariate": "age"}, "age is on a scale; wanted min, max or both"),
        ({"covariate": "age", "in": ["old"]}, "age is on a scale"),
        ({"covariate": "age", "min": 3, "max": 2}, "range from 3 to 2"),
        ({"covariate": "age", "min": "old"}, r"eligibility\[0\].min: got 'old', wanted a finite number"),
        ({"covariate": "sex", "min": 0}, "sex has levels; wanted either in or not_in"),
        ({"covariate": "sex", "in": ["man"]}, "got 'man', wanted levels among"),
        ({"covariate": "sex", "not_in": ["male", "female", "unknown"]}, "lets in nobody"),
        ({"covariate": "sex", "in": ["male", "female", "unknown"]}, "keeps everybody"),
        ({"covariate": "sex", "in": "male", "least": 1}, "unknown key"),
    ],
)
def test_wrong_criterion_is_named(written, says):
    with pytest.raises(PopulationError, match=says):
        read_eligibility([{"name": "one", **written}], KNOWN)


def test_names_are_distinct():
    with pytest.raises(PopulationError, match="'adult' stands twice"):
        read_eligibility([WRITTEN[0], WRITTEN[0]], KNOWN)


def test_enrolled_follow_the_exact_truncated_distribution():
    criteria = read_eligibility(WRITTEN, KNOWN)
    groups = 80
    made = enrol(criteria, batch, [256] * groups, 256)
    ends = [(18 - 40) / 15, (65 - 40) / 15]
    exact = {
        "age": stats.truncnorm(*ends, loc=40, scale=15),
        "weight": stats.truncnorm((50 - 70) / 14, math.inf, loc=70, scale=14),
    }
    for name, law in exact.items():
        # 20,480 patients: chance of a smaller p-value is one in a thousand for each, and the addresses are fixed.
        assert stats.kstest(made.values[name].ravel(), law.cdf).pvalue > 0.001, name
    assert set(np.unique(made.values["sex"])) == {0, 1}


def test_screening_counts_are_those_of_one_candidate_after_another():
    criteria = read_eligibility(WRITTEN, KNOWN)
    wanted = [256, 5, 100]
    made = enrol(criteria, batch, wanted, 256)
    for g, n in enumerate(wanted):
        screened, first, everything, ages = 0, [0] * 3, [0] * 3, []
        attempt = 0
        while len(ages) < n:
            some = batch(attempt, [g])
            for i in range(256):
                if len(ages) == n:
                    break
                screened += 1
                one = {k: v[0, i : i + 1] for k, v in some.items()}
                met = [bool(c.passes(one)[0]) for c in criteria]
                for k, ok in enumerate(met):
                    everything[k] += not ok
                    first[k] += not ok and all(met[:k])
                if all(met):
                    ages.append(some["age"][0, i])
            attempt += 1
        assert made.screened[g] == screened
        assert made.first_failed[g].tolist() == first
        assert made.any_failed[g].tolist() == everything
        np.testing.assert_array_equal(made.values["age"][g, :n], ages)
        assert (made.values["age"][g, n:] == 0).all()
    assert (made.screened - made.first_failed.sum(axis=1)).tolist() == wanted


def test_share_that_passes_is_the_exact_one():
    criteria = read_eligibility(WRITTEN, KNOWN)
    made = enrol(criteria, batch, [256] * 80, 256)
    exact = (stats.norm.cdf(25 / 15) - stats.norm.cdf(-22 / 15)) * stats.norm.sf(-20 / 14) * 2 / 3
    screened = made.screened.sum()
    assert 256 * 80 / screened == pytest.approx(exact, abs=3.5 * math.sqrt(exact * (1 - exact) / screened))


def test_fewer_patients_are_the_first_of_more():
    criteria = read_eligibility(WRITTEN, KNOWN)
    many, few = enrol(criteria, batch, [256, 256], 256), enrol(criteria, batch, [30], 256)
    np.testing.assert_array_equal(many.values["weight"][0, :30], few.values["weight"][0, :30])


def test_criterion_that_accepts_nobody_is_named_with_what_it_saw():
    sample = batch(0, [0], PROBE)
    with pytest.raises(PopulationError, match=r"eligibility.centenarian: accepts 0 % of 32768 candidates.*runs from"):
        require_acceptance([Criterion("adult", "age", 18.0), Criterion("centenarian", "age", 100.0, 120.0)], sample)
    apart = [Criterion("young", "age", maximum=20.0), Criterion("old", "age", minimum=60.0)]
    with pytest.raises(PopulationError, match=r"criteria together accept 0 %.*young 8\.\d* %, old 9\.\d* %"):
        require_acceptance(apart, sample)
    require_acceptance(read_eligibility(WRITTEN, KNOWN), sample)
    require_acceptance((), sample)


def test_hopeless_screening_stops():
    with pytest.raises(PopulationError, match=r"gave 0 of 1 patients; the criteria accept less than 0\.1 %"):
        enrol([Criterion("never", "age", 1000.0)], lambda a, g: batch(a, g, 8192), [1], 1)


def test_levels_are_counted_in_the_message():
    drawn = {"sex": np.zeros(PROBE, dtype=np.int64)}
    only = read_eligibility([{"name": "men", "covariate": "sex", "in": ["male"]}], KNOWN)
    with pytest.raises(PopulationError, match="female 100 %, male 0 %"):
        require_acceptance(only, drawn)


def test_what_goes_with_a_criterion_follows_the_exact_conditional_distribution():
    """Of two normal covariates of correlation r, one cut at c: the moments and distribution of the other are known."""
    r, c, n = 0.6, 1.0, 40_000
    margin = {"unit": "1", "meaning": "made up", "distribution": {"normal": {"mean": 0, "sd": 1}}}
    written = {
        "name": "cut",
        "reference": "made up",
        "covariates": {
            "both": {
                "model": "copula",
                "margins": {"x": margin, "y": margin},
                "correlation": [[1, r], [r, 1]],
                "source": "made up",
            }
        },
        "parameters": {"cl": {"unit": "L/h", "meaning": "clearance", "typical": 1.0, "source": "made up"}},
        "eligibility": [{"name": "high", "covariate": "x", "min": c}],
    }
    cohort = draw(load_population(written), n=n, replicates=1, seed=3)
    x, y = cohort["x"].values[0], cohort["y"].values[0]
    assert stats.kstest(x, stats.truncnorm(c, math.inf).cdf).pvalue > 0.001
    hazard = stats.norm.pdf(c) / stats.norm.sf(c)
    variance = 1 - r**2 * hazard * (hazard - c)
    assert y.mean() == pytest.approx(r * hazard, abs=4 * math.sqrt(variance / n))
    assert y.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))
    screened = int(cohort["screened"].values[0])
    exact = stats.norm.sf(c)
    assert n / screened == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / screened))
    assert screened - int(cohort["failed"].values.sum()) == n
