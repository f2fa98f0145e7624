"""What the measures of a cohort say where the answer is known: copies, shuffled columns, the same law, shifted ones."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cohorts
from cohorts import Limits, PopulationError
from cohorts.quality.association import associations
from cohorts.quality.detection import area
from cohorts.quality.records import alike, records

COUNT = 1500


def _people(seed, count=COUNT, shift=0.0):
    """Sex, age and two sizes that go together."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], count, p=[0.6, 0.4])
    age = rng.gamma(16, 2.5, count)
    height = np.where(sex == "male", 176, 163) + 7 * rng.standard_normal(count)
    weight = np.exp(np.log(70) + 2 * np.log(height / 170) + shift + 0.15 * rng.standard_normal(count))
    return pd.DataFrame({"sex": sex, "age": age, "height": height, "weight": weight})


SOURCE, HOLDOUT, ALIKE = _people(1), _people(2), _people(3)


def test_the_same_law_passes():
    found = cohorts.assess(ALIKE, SOURCE, holdout=HOLDOUT, seed=1)
    assert found.passed, found.failures
    assert abs(found.fidelity["auc"] - 0.5) < 4 * found.fidelity["auc_se"]
    assert abs(found.fidelity["pmse_ratio"] - 1) < 4 * found.fidelity["pmse_ratio_se"]
    assert abs(found.disclosure["membership_auc"] - 0.5) < 4 * found.disclosure["membership_auc_se"]
    assert abs(found.disclosure["closer"] - 0.5) < 4 * found.disclosure["closer_se"]
    assert abs(found.disclosure["near"] - 1) < 4 * found.disclosure["near_se"]


@pytest.mark.parametrize("holdout", [None, HOLDOUT], ids=["source alone", "holdout"])
def test_copies_fail_the_gate_of_privacy_alone(holdout):
    found = cohorts.assess(SOURCE.sample(frac=1, random_state=1), SOURCE, holdout=holdout, seed=1)
    assert set(found.failures) == {"privacy"}
    assert found.disclosure["identical"] == 1
    assert found.disclosure["near"] == 0
    if holdout is not None:
        assert found.disclosure["membership_auc"] > 0.999
        assert (found.disclosure["attribute_gain"].sel(column=["age", "height", "weight"]) > 0.5).all()


def test_shuffled_columns_fail_the_gate_of_fidelity_alone():
    rng = np.random.default_rng(0)
    shuffled = pd.DataFrame({name: rng.permutation(SOURCE[name]) for name in SOURCE})
    found = cohorts.assess(shuffled, SOURCE, holdout=HOLDOUT, seed=1)
    assert set(found.failures) == {"fidelity"}
    assert (found.fidelity["marginal"] == 0).all()
    assert "association" in found.failures["fidelity"]
    assert found.fidelity["auc"] > 0.6


def test_a_shift_is_seen_where_it_is():
    found = cohorts.fidelity(_people(4, shift=0.2), SOURCE, seed=1)
    assert found["marginal"].idxmax("column") == "weight"
    exact = 2 * stats.norm.cdf(0.1 / np.std(np.log(SOURCE["weight"]))) - 1
    assert float(found["marginal"].sel(column="weight")) == pytest.approx(exact, abs=4 * COUNT**-0.5)
    assert found["tail"].sel(column="weight", side="upper") > 2


def test_every_limit_can_fail():
    found = cohorts.assess(_people(4, shift=0.1), SOURCE, holdout=HOLDOUT, seed=1)
    strict = dict.fromkeys(("marginal", "dependence", "auc", "membership_auc", "attribute_gain"), -1.0)
    strict |= {"tail": 1.0001, "identical": -1.0, "near": 100.0}
    for name, limit in strict.items():
        lax = Limits(9, 9, 1e9, 9, 9, 0, 9, 9)
        assert not cohorts.Quality(found.fidelity, found.disclosure, lax).failures
        held = Limits(**{**{f: getattr(lax, f) for f in Limits.__slots__}, name: limit})
        assert cohorts.Quality(found.fidelity, found.disclosure, held).failures, name


def test_standard_errors_are_those_between_cohorts():
    """Against the spread over cohorts of the same law, drawn anew."""
    source = _people(1, 400)
    found = [cohorts.fidelity(_people(s, 400), source, seed=1, resamples=2) for s in range(10, 22)]
    for name in ("auc", "pmse_ratio"):
        spread = np.std([float(f[name]) for f in found], ddof=1)
        said = np.mean([float(f[f"{name}_se"]) for f in found])
        assert 0.4 < spread / said < 2.0, name


def test_weights_count():
    """A table whose records count twice is the table with these records twice."""
    weighted = SOURCE.assign(w=np.where(SOURCE["sex"] == "male", 2, 1))
    twice = pd.concat([SOURCE, SOURCE[SOURCE["sex"] == "male"]])
    a = cohorts.fidelity(ALIKE, weighted, seed=1, weights="w", resamples=2)
    b = cohorts.fidelity(ALIKE, twice, seed=1, resamples=2)
    for name in ("marginal", "quantile_difference", "dependence"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-9)


def test_associations_are_those_of_scipy():
    found = associations(records(SOURCE))
    assert found[1, 2] == pytest.approx(stats.spearmanr(SOURCE["age"], SOURCE["height"]).statistic, abs=1e-12)
    table = pd.crosstab(SOURCE["sex"], SOURCE["age"] > 40)
    pair = associations(records(SOURCE.assign(old=SOURCE["age"] > 40), ["sex", "old"]))
    assert pair[0, 1] == pytest.approx(stats.contingency.association(table, method="cramer"), abs=1e-12)
    ranks = SOURCE["height"].rank()
    groups = [ranks[SOURCE["sex"] == s] for s in ("female", "male")]
    between = sum(len(g) * (g.mean() - ranks.mean()) ** 2 for g in groups)
    assert found[0, 2] ** 2 == pytest.approx(between / ((ranks - ranks.mean()) ** 2).sum(), abs=1e-12)


def test_area_is_that_of_mann_and_whitney():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 1, 60).round(1), rng.normal(0, 1, 90).round(1)
    assert area(a, b)[0] == pytest.approx(stats.mannwhitneyu(a, b).statistic / (60 * 90))
    again = [area(rng.normal(0.5, 1, 60), rng.normal(0, 1, 90))[0] for _ in range(500)]
    assert area(a, b)[1] == pytest.approx(np.std(again), rel=0.25)


def test_a_drawn_cohort_is_judged_on_its_covariates(population):
    drawn = cohorts.draw(population, 600, 2, seed=1)
    source = cohorts.draw(population, 900, 1, seed=2)
    table = pd.DataFrame({
        "sex": np.array(["female", "male"])[source["sex"].values[0]],
        "weight": source["weight"].values[0],
        "age": source["age"].values[0],
        "other": 1,
    })  # fmt: skip
    found = cohorts.assess(drawn, table, seed=1)
    assert found.passed, found.failures
    assert found.fidelity["column"].values.tolist() == ["sex", "weight", "age"]


def test_levels_are_matched_by_name():
    a, b = alike({"cohort": pd.DataFrame({"x": ["b", "c"]}), "source": pd.DataFrame({"x": ["a", "b"]})})
    assert a.levels == b.levels == (("a", "b", "c"),)
    assert a.values.tolist() == [[1], [2]]


def test_hold_out_splits_and_repeats():
    kept, out = cohorts.hold_out(SOURCE, 0.3, seed=4)
    assert len(out) == 450
    assert sorted([*kept.index, *out.index]) == list(range(COUNT))
    pd.testing.assert_frame_equal(out, cohorts.hold_out(SOURCE, 0.3, seed=4)[1])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"age": [1.0, np.nan]}), "age: 1 values are missing"),
        (pd.DataFrame({"other": [1.0]}), "no column in common"),
        (pd.DataFrame({"sex": [1.0, 2.0]}), "levels in one table and numbers in another"),
        ([1, 2], "wanted a Dataset of a cohort or a DataFrame"),
    ],
)
def test_tables_that_cannot_be_compared(table, said):
    with pytest.raises(PopulationError, match=said):
        cohorts.fidelity(SOURCE, table, seed=1)


def test_weights_that_cannot_be():
    with pytest.raises(PopulationError, match=r"source\.w: got weights from -1"):
        cohorts.fidelity(ALIKE, SOURCE.assign(w=-1.0), seed=1, weights="w")


def test_a_weighted_source_is_not_told_from_what_it_stands_for():
    """Weights that undo a biased sample: no classifier can tell; repeating records by weight would give it away."""
    rng = np.random.default_rng(5)
    whole = _people(6, 6000)
    chance = np.where(whole["age"] > 40, 0.8, 0.2)
    taken = rng.random(len(whole)) < chance
    found = cohorts.fidelity(_people(7), whole[taken].assign(w=1 / chance[taken]), seed=1, weights="w", resamples=2)
    assert abs(found["auc"] - 0.5) < 4 * found["auc_se"]
    assert abs(found["pmse_ratio"] - 1) < 4 * found["pmse_ratio_se"]
    biased = cohorts.fidelity(_people(7), whole[taken], seed=1, resamples=2)
    assert biased["auc"] > 0.6
    assert biased["pmse_ratio"] > 5


def test_the_report_says_what_the_gates_say():
    rng = np.random.default_rng(0)
    shuffled = pd.DataFrame({name: rng.permutation(SOURCE[name]) for name in SOURCE})
    for cohort in (ALIKE, SOURCE, shuffled):
        found = cohorts.assess(cohort, SOURCE, holdout=HOLDOUT, seed=1)
        table = found.report()
        assert set(table.index.get_level_values("gate")) == {"fidelity", "privacy"}
        assert bool(table["passed"].all()) == found.passed
        lost = set(table[~table["passed"]].index.get_level_values("gate"))
        assert lost == set(found.failures)
        sentences = sum(len(text.split("; ")) for text in found.failures.values())
        assert int((~table["passed"]).sum()) == sentences
        assert repr(found) == ("<Quality: passed>" if found.passed else f"<Quality: fails {next(iter(lost))}>")
    assert table.loc[("fidelity", "association", "weight, height"), "value"] == pytest.approx(
        float(found.fidelity["dependence"].sel(column="weight", other="height"))
    )


def test_copies_are_closer_to_whom_they_copy_and_units_do_not_matter():
    found = cohorts.disclosure(SOURCE, SOURCE, holdout=HOLDOUT, seed=1)
    assert float(found["closer"]) > 0.95
    metres = [one.assign(height=one["height"] / 100.0) for one in (SOURCE, SOURCE, HOLDOUT)]
    again = cohorts.disclosure(metres[0], metres[1], holdout=metres[2], seed=1)
    np.testing.assert_allclose(again["attribute_gain"], found["attribute_gain"], atol=1e-12)


def test_a_tail_strays_only_beyond_two_standard_errors():
    from cohorts.quality.gate import _stray

    cases = {(3.5, 0.5): False, (3.5, 0.1): True, (0.3, 0.1): False, (0.3, 0.01): True, (1.0, 0.0): False}
    assert {case: _stray(*case, Limits()) for case in cases} == cases
