"""Children by growth charts against the percentiles that are printed with the charts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from cohorts.covariates.base import Variable
from cohorts.covariates.growth import load_chart, score_of, size_at
from cohorts.covariates.reading import read_model
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "cdc_percentiles.csv"
KNOWN = {
    "age": Variable("age", "month", "age", "made up"),
    "sex": Variable("sex", "1", "sex", "made up", ("female", "male")),
}
CHILD = {
    "model": "growth",
    "measures": {"weight": "weight", "height": "height"},
    "correlation": 0.6,
}


def model(**change):
    return read_model("child", Node("covariates.child", {**CHILD, **change}), KNOWN)


def published():
    with REFERENCE.open() as file:
        for row in csv.DictReader(file):
            yield pytest.param(row, id=f"{row['measure']} {row['sex']} {row['months']}")


@pytest.mark.parametrize("row", list(published()))
def test_percentiles_are_the_printed_ones(row):
    curves, _, _ = load_chart("cdc_2000")
    curve = {"height": "stature"}.get(row["measure"], row["measure"])
    at, *lms = curves[curve, row["sex"] == "female"]
    here = [float(np.interp(float(row["months"]), at, v)) for v in lms]
    for percentile in ("3", "5", "10", "25", "50", "75", "90", "95", "97"):
        z = special.ndtri(float(percentile) / 100)
        assert size_at(np.array(z), *map(np.array, here)) == pytest.approx(float(row[percentile]), rel=2e-6)
        assert score_of(np.array(float(row[percentile])), *map(np.array, here)) == pytest.approx(z, abs=5e-5)


def test_a_power_of_zero_is_the_logarithm():
    one, near = (size_at(np.array(1.5), np.array(b), np.array(10.0), np.array(0.1)) for b in (0.0, 1e-7))
    assert one == pytest.approx(10 * np.exp(0.15), rel=1e-12)
    assert near == pytest.approx(one, rel=1e-6)
    assert score_of(one, np.array(0.0), np.array(10.0), np.array(0.1)) == pytest.approx(1.5)
    assert np.isnan(size_at(np.array(4.0), np.array(-3.0), np.array(16.0), np.array(0.15)))


@pytest.fixture(scope="module")
def boys():
    made = model()
    n = 200_000
    drawn = {"age": np.full(n, 120.5), "sex": np.ones(n, dtype=np.int64)}
    return made, made.values(np.random.default_rng(3).random((n, made.width)), drawn)


def test_boys_of_ten_have_the_printed_percentiles(boys):
    _, found = boys
    for percentile, printed in (
        ("5", 24.94392),
        ("25", 28.66894),
        ("50", 32.08799),
        ("75", 36.55851),
        ("95", 46.15753),
    ):
        share = (found["weight"] < printed).mean()
        wanted = float(percentile) / 100
        tail = stats.norm.sf(2.5)
        exact = (wanted - tail) / (1 - 2 * tail)
        assert share == pytest.approx(exact, abs=4 * np.sqrt(wanted * (1 - wanted) / 200_000))


def test_scores_go_together_and_stay_within_the_limit():
    made = model(limit=2.0)
    z = made.scores(np.random.default_rng(4).random((200_000, 2)))
    assert np.abs(z).max() <= 2.0
    for i in range(2):
        assert stats.kstest(z[:5000, i], stats.truncnorm(-2, 2).cdf).pvalue > 0.001
    uncut = special.ndtri((special.ndtr(z) - special.ndtr(-2)) / (1 - 2 * special.ndtr(-2)))
    assert np.corrcoef(uncut.T)[0, 1] == pytest.approx(0.6, abs=0.01)


def test_infants_lie_and_children_stand():
    made = model(measures=["height"], correlation=None)
    drawn = {"age": np.array([23.99, 24.0, 23.99, 24.0]), "sex": np.array([0, 0, 1, 1])}
    found = made.values(np.full((4, 1), 0.5), drawn)["height"]
    # The median length of the month is about 0.8 cm more than the stature (CDC: length exceeds stature by 0.8 cm).
    assert (found[[0, 2]] - found[[1, 3]] > 0.4).all()
    assert (found[[0, 2]] - found[[1, 3]] < 1.0).all()


def test_months_weeks_and_years_are_one():
    n = 10
    u = np.random.default_rng(1).random((n, 2))
    drawn = {"sex": np.arange(n) % 2}
    inner = {"model": "growth", "measures": ["weight", "height"], "correlation": 0.6}
    months = read_model("c", Node("c", inner), KNOWN).values(u, {**drawn, "age": np.linspace(1, 200, n)})
    known = {**KNOWN, "age": Variable("age", "year", "age", "made up")}
    years = read_model("c", Node("c", inner), known).values(u, {**drawn, "age": np.linspace(1, 200, n) / 12})
    np.testing.assert_allclose(years["weight"], months["weight"], rtol=1e-12)


def test_model_reads_back_to_an_equal_one(boys):
    made, _ = boys
    assert read_model("child", Node("covariates.child", made.to_dict()), KNOWN) == made
    assert hash(made) == hash(model())
    assert made.attributes()["height"]["units"] == "cm"


@pytest.mark.parametrize("measure", ["weight", "height", "bmi", "head"])
def test_every_age_of_the_chart_has_a_size_within_the_limit(measure):
    made = model(measures=[measure], correlation=None)
    ages = np.linspace(24.0, 36.0 if measure == "head" else 240.0, 500)
    if measure in {"weight", "height", "head"}:
        ages = np.concatenate([np.linspace(0, 24, 100), ages])
    for sex in (0, 1):
        for u in (1e-12, 0.5, 1 - 1e-12):
            drawn = {"age": ages, "sex": np.full(ages.shape, sex)}
            found = made.values(np.full((*ages.shape, 1), u), drawn)[measure]
            assert np.isfinite(found).all()
            assert (found > 0).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chart": "who"}, r"child.chart: got 'who', wanted one of \['cdc_2000'\]"),
        ({"measures": {"weight": "mass"}}, "child.measures.weight: got 'mass', wanted one of"),
        ({"measures": ["weight", "height", "bmi"]}, "two of weight, height and bmi at most; derive the third"),
        ({"measures": {"a": "weight", "b": "weight"}}, "wanted distinct measures"),
        ({"correlation": 1.0}, "child.correlation: not positive definite"),
        ({"correlation": [[1, 0.5]]}, "child.correlation: got .*wanted a symmetric 2 x 2 matrix"),
        ({"correlation": None}, "child.correlation: got None"),
        ({"limit": 0}, "child.limit: got 0.0, wanted a number > 0"),
        ({"age": "sex"}, "child.age: got 'sex', wanted a covariate in years"),
        ({"age": "years"}, "child.age: got 'years', wanted a covariate in years"),
        ({"sex": "age"}, "age is on a scale"),
        ({"sha256": "0"}, "child.sha256: cdc_2000 has"),
    ],
)
def test_wrong_entry_is_named(change, says):
    with pytest.raises(PopulationError, match=says):
        model(**change)


@pytest.mark.parametrize(
    ("change", "age", "says"),
    [
        ({}, 241.0, "got age from 241 to 241 months for weight, wanted 0 to 240"),
        ({"measures": ["bmi", "height"]}, 20.0, "got age from 20 to 20 months for bmi, wanted 24 to 240"),
        (
            {"measures": ["bmi", "height"], "limit": 6},
            200.0,
            "limit: at 200 months no bmi has a z-score as far out as 6",
        ),
    ],
)
def test_what_the_chart_does_not_say_is_refused(change, age, says):
    made = model(**change)
    with pytest.raises(PopulationError, match=says):
        made.values(np.full((1, 2), 1 - 1e-16), {"age": np.array([age]), "sex": np.array([1])})
