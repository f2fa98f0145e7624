"""Tables of real people, and cohorts resampled from them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from cohorts.covariates.reading import read_model
from cohorts.covariates.resampling import resample
from cohorts.covariates.tables import from_frame, load_table, tables
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
ADULTS = {
    "model": "table",
    "table": "nhanes_2013_2014",
    "columns": {
        "age": "age_years",
        "sex": "sex",
        "height": "height",
        "weight": "weight",
        "creatinine": "creatinine",
        "hematocrit": "hematocrit",
    },
    "where": [{"name": "adult", "covariate": "age", "min": 18}],
}


def model(**change):
    return read_model("adults", Node("covariates.adults", {**ADULTS, **change}), {})


@pytest.fixture(scope="module")
def million():
    made = model()
    return made.values(np.random.default_rng(5).random((10, 100_000, made.width)), {})


def cells():
    summary = json.loads((REFERENCE / "nhanes_summary.json").read_text())["table"]
    for label, cell in summary.items():
        sex, ages = label.split(" ")
        low, high = (int(a) for a in ages.strip("[)").split(","))
        if low >= 18:
            yield pytest.param(sex, low, high, cell, id=label)


@pytest.mark.parametrize(("sex", "low", "high", "cell"), list(cells()))
def test_adults_have_the_weighted_quantiles_of_the_survey(million, sex, low, high, cell):
    age, male = million["age"], million["sex"] == 1
    inside = (age >= low) & (age < high) & (male == (sex == "Male"))
    published = {"height": "height_cm", "weight": "weight_kg", "creatinine": "scr_mgdl", "hematocrit": "hct_pct"}
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    # Beyond the 95th percentile of creatinine some cells have a handful of people far apart: there the level, not the
    # value, is uncertain, by the Monte Carlo error of a share.
    error = 4 * np.sqrt(levels * (1 - levels) / inside.sum())
    for name, label in published.items():
        wanted = np.array([cell[label][p] for p in ("p5", "p25", "p50", "p75", "p95")])
        slack = error if name == "creatinine" else 0.0
        low_end, high_end = (np.quantile(million[name][inside], levels + s) for s in (-slack, slack))
        assert (wanted >= low_end / 1.03).all(), name
        assert (wanted <= high_end * 1.03).all(), name
    together = np.corrcoef(np.log(million["height"][inside]), np.log(million["weight"][inside]))[0, 1]
    assert together == pytest.approx(cell["cor_logheight_logweight"], abs=0.03)


def test_rows_come_as_often_as_their_weight_says():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "w": [1.0, 0.0, 2.0, 5.0], "g": ["b", "a", "b", "c"]})
    table = from_frame(frame, units={"x": "kg"}, weights="w", source="made up")
    assert table.columns["g"].variable.levels == ("a", "b", "c")
    made = resample("some", table, {"x": "x", "g": "g"})
    found = made.values(np.random.default_rng(2).random((80_000, 1)), {})
    seen = [int((found["x"] == x).sum()) for x in (1, 2, 3, 4)]
    assert seen[1] == 0
    assert stats.chisquare([seen[0], *seen[2:]], [10_000, 20_000, 50_000]).pvalue > 0.001
    np.testing.assert_array_equal(found["g"], np.array([1, 0, 1, 2])[found["x"].astype(int) - 1])
    alike = resample("some", table, {"x": "x"}, weighted=False)
    assert len(alike.edges) == 4
    np.testing.assert_allclose(alike.edges, [0.25, 0.5, 0.75, 1.0])


def test_ends_of_the_uniform_numbers_are_rows():
    table = from_frame(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), units={"x": "kg"}, source="made up")
    made = resample("some", table, {"x": "x"})
    assert made.values(np.array([[2.0**-54], [1 - 2.0**-53], [1.0]]), {})["x"].tolist() == [1.0, 3.0, 3.0]


def test_filter_and_missing_values_leave_rows_out():
    found = model().rows
    assert found["age"].min() == 18
    assert not any(np.isnan(v).any() for v in found.values() if v.dtype.kind == "f")
    children = model(columns=["age", "weight"], where=[{"name": "child", "covariate": "age", "max": 1.9}])
    assert len(children.rows["age"]) == sum(load_table("nhanes_2013_2014").rows["age"] <= 1.9)


def test_stage_of_kidney_function_selects_rows_by_what_is_derived():
    severe = model(
        derived={"egfr": {"equation": "ckd_epi_2021"}},
        where=[*ADULTS["where"], {"name": "moderate", "covariate": "egfr", "min": 30, "max": 59.999}],
    )
    assert 100 < len(severe.edges) < 600
    found = severe.values(np.random.default_rng(2).random((5000, severe.width)), {})
    assert found["egfr"].min() >= 30
    assert found["egfr"].max() < 60
    assert severe.names[-1] == "egfr"
    by_hand = severe.derived[0].values(np.empty((5000, 0)), found)["egfr"]
    np.testing.assert_array_equal(found["egfr"], by_hand)


def test_jitter_stays_within_rounding_and_within_the_filter():
    where = [{"name": "light", "covariate": "weight", "max": 50.0}, *ADULTS["where"]]
    still, spread = model(where=where), model(where=where, jitter=True)
    assert (still.width, spread.width) == (1, 6)
    u = np.random.default_rng(2).random((20_000, 6))
    a, b = still.values(u[:, :1], {}), spread.values(u, {})
    np.testing.assert_array_equal(a["sex"], b["sex"])
    assert b["weight"].max() <= 50.0
    assert 0 < np.abs(b["weight"] - a["weight"]).max() <= 0.05 + 1e-9
    assert (b["age"] - a["age"]).min() >= 0  # completed years are rounded down
    assert 0.9 < (b["age"] - a["age"]).max() < 1
    inner = a["weight"] < 49.9
    assert stats.kstest((b["weight"] - a["weight"])[inner] / 0.1 + 0.5, "uniform").pvalue > 0.001


def test_model_reads_back_to_an_equal_one():
    made = model(derived={"egfr": {"equation": "ckd_epi_2021"}}, jitter=True)
    again = read_model("adults", Node("covariates.adults", made.to_dict()), {})
    assert again == made
    assert hash(again) == hash(made)
    assert made.attributes()["weight"]["units"] == "kg"
    assert made.attributes()["sex"]["levels"] == ["Female", "Male"]
    assert "National Health" in made.attributes()["weight"]["source"]


def test_chunks_do_not_matter():
    made = model(jitter=True)
    u = np.random.default_rng(9).random((4, 50, made.width))
    whole = made.values(u, {})
    for i in range(4):
        part = made.values(u[i, 10:20], {})
        for name, found in part.items():
            np.testing.assert_array_equal(found, whole[name][i, 10:20])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table": "nhanes"}, "adults.table: got 'nhanes', wanted one of .*nhanes_2013_2014"),
        ({"table": "nowhere.yaml"}, "adults.table: no file 'nowhere.yaml'"),
        ({"columns": {"w": "mass"}}, "adults.columns.w: got 'mass', wanted one of the columns"),
        ({"columns": {}}, "adults.columns: empty|adults.columns: missing"),
        ({"sha256": "0"}, "adults.sha256: nhanes_2013_2014 has .*the table has changed"),
        ({"jitter": "yes"}, "adults.jitter: got 'yes', wanted true or false"),
        ({"derived": {"age": {"equation": "bmi"}}}, "adults.derived.age: is the name of a column too"),
        ({"where": [{"name": "old", "covariate": "age", "min": 99}]}, "adults.where: no row of the table"),
        ({"where": [{"name": "old", "covariate": "years", "min": 99}]}, r"adults.where\[0\].covariate: got 'years'"),
        ({"smooth": 1}, "adults.smooth: unknown key"),
    ],
)
def test_wrong_entry_is_named(change, says):
    with pytest.raises(PopulationError, match=says):
        model(**change)


SMALL = "id,sex,kg\n1,F,60\n2,M,\n3,,80.5\n"


def written(folder, text=SMALL, **change):
    (folder / "small.csv").write_text(text)
    about = {
        "name": "small",
        "file": "small.csv",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "columns": {
            "sex": {"levels": ["F", "M"], "meaning": "sex"},
            "weight": {"column": "kg", "unit": "kg", "meaning": "body weight", "divide": 2},
        },
        "provenance": {"source": "made up", "licence": "none"},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump({**about, **change}))
    return folder / "small.yaml"


def test_table_of_ones_own(tmp_path):
    table = load_table(written(tmp_path))
    np.testing.assert_array_equal(table.rows["sex"], [0, 1, -1])
    np.testing.assert_array_equal(table.rows["weight"], [30, np.nan, 40.25])
    assert table.missing("weight").tolist() == [False, True, False]
    assert table.missing("sex").tolist() == [False, False, True]
    assert table.weights.tolist() == [1, 1, 1]
    assert len(resample("some", table, {"sex": "sex", "weight": "weight"}).edges) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "1"}, "sha256: small.csv has .*the table has changed"),
        ({"file": "other.csv"}, "file: no file 'other.csv'"),
        ({"weights": "w"}, "weights: the file lacks 'w'"),
        ({"weights": "kg"}, "weights: got a weight that is missing or negative"),
        ({"columns": {"sex": {"levels": ["F", "X"], "meaning": "sex"}}}, "columns.sex.levels: lacks 'M'"),
        ({"columns": {"sex": {"levels": ["F"], "meaning": "sex"}}}, "columns.sex.levels: got .* two or more"),
        ({"columns": {"sex": {"unit": "1", "meaning": "sex"}}}, "columns.sex: not all numbers"),
        ({"columns": {"kg": {"unit": "kg", "meaning": "w", "resolution": -1}}}, "resolution: got -1.0"),
        ({"columns": {"m": {"unit": "kg", "meaning": "w"}}}, "columns.m.column: the file lacks 'm'"),
    ],
)
def test_wrong_table_is_named(tmp_path, change, says):
    with pytest.raises(PopulationError, match=says):
        load_table(written(tmp_path, **change))


def test_frame_without_its_columns_is_refused():
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    with pytest.raises(PopulationError, match="lacks column 'w'"):
        from_frame(frame, units={"x": "kg"}, weights="w", source="made up")
    with pytest.raises(PopulationError, match=r"frame\.x: got a weight"):
        from_frame(frame.assign(x=[-1.0, 2.0]), units={}, weights="x", source="made up")


@pytest.mark.parametrize("name", tables())
def test_shipped_table_is_whole(name):
    table = load_table(name)
    assert table.source
    assert table.licence
    for label, column in table.columns.items():
        assert column.variable.meaning
        assert not table.missing(label).all()
