"""Average bioequivalence against the analysis of variance written out as least squares."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.base import OUTPUTS, analyse
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.errors import TrialError

ARMS = ("test", "reference")
BE = AverageBioequivalence("auc", "auc", *ARMS)


def data(values, arm, names=ARMS):
    dims = ("replicate", "subject", "period")
    return xr.Dataset({"auc": (dims, values), "arm": (dims, arm, {"names": list(names)})})


def trial(rng, replicates=6, sizes=(12, 12), missing=0.0, ratio=0.95, cv=0.25):
    """Crossover with sequence, subject, period and treatment effects."""
    arm = np.array([[0, 1]] * sizes[0] + [[1, 0]] * sizes[1])[rng.permutation(sum(sizes))]
    arm = np.broadcast_to(arm, (replicates, sum(sizes), 2))
    logs = 3 + 0.4 * rng.standard_normal((replicates, sum(sizes), 1)) + np.where(arm == 0, np.log(ratio), 0.0)
    logs = logs + np.array([0.0, 0.2]) + 0.1 * arm[..., :1] + cv * rng.standard_normal(arm.shape)
    values = np.exp(logs)
    values[rng.random(values.shape) < missing] = np.nan
    return data(values, arm)


def least_squares(values, arm):
    """The standard model fitted to one replicate: sequence, subject within sequence, period, treatment."""
    complete = np.isfinite(values).all(axis=1)
    y, arm = np.log(values[complete]).ravel(), arm[complete]
    n = complete.sum()
    subject = np.repeat(np.eye(n), 2, axis=0)
    sequence = np.repeat(arm[:, 0] == 0, 2)[:, None]
    period = np.tile([0.0, 1.0], n)[:, None]
    design = np.hstack([np.ones((2 * n, 1)), sequence, subject, period, (arm.ravel() == 0)[:, None]]).astype(float)
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    df = 2 * n - np.linalg.matrix_rank(design)
    variance = ((y - design @ beta) ** 2).sum() / df
    se = np.sqrt(variance * np.linalg.pinv(design.T @ design)[-1, -1])
    return beta[-1], se, df, variance, n


@pytest.mark.parametrize(("sizes", "missing"), [((12, 12), 0.0), ((13, 10), 0.0), ((14, 9), 0.12), ((3, 2), 0.0)])
def test_it_is_the_analysis_of_variance(sizes, missing):
    made = trial(np.random.default_rng(8), sizes=sizes, missing=missing)
    found = BE(made)
    for row in range(made.sizes["replicate"]):
        estimate, se, df, variance, n = least_squares(made["auc"].values[row], made["arm"].values[row])
        half = stats.t.ppf(0.95, df) * se
        tests = (estimate - np.log(0.8)) / se, (np.log(1.25) - estimate) / se
        want = {
            "estimate": estimate, "se": se, "df": df, "n": n, "lower": estimate - half, "upper": estimate + half,
            "statistic": min(tests), "p": max(stats.t.sf(tests, df)), "cv_within": np.sqrt(np.exp(variance) - 1),
            "decision": max(stats.t.sf(tests, df)) < 0.05, "failed": False,
        }  # fmt: skip
        for name, value in want.items():
            assert found[name].values[row] == pytest.approx(value, rel=1e-9), name
    assert np.isnan(found["probability"]).all()


def test_the_decision_is_both_one_sided_tests():
    found = BE(trial(np.random.default_rng(1), replicates=400, cv=0.3))
    np.testing.assert_array_equal(found["decision"], found["p"] < 0.05)
    assert 0.2 < found["decision"].mean() < 0.95


def test_exchanging_the_arms_inverts_the_ratio():
    made = trial(np.random.default_rng(2))
    one, other = BE(made), AverageBioequivalence("auc", "auc", "reference", "test")(made)
    np.testing.assert_allclose(one["estimate"], -other["estimate"], rtol=1e-12)
    np.testing.assert_allclose(one["lower"], -other["upper"], rtol=1e-12)


SWAPPED = {"test": "reference", "reference": "test"}
OTHERS = {"name": "cmax", "endpoint": "cmax", "test": SWAPPED, "reference": SWAPPED, "lower": 0.9, "upper": 1.1,
          "alpha": 0.01}  # fmt: skip


def test_every_field_changes_an_output():
    made = trial(np.random.default_rng(3), replicates=200, cv=0.3)
    made["cmax"] = made["auc"] ** 1.5
    assert set(OTHERS) == {field.name for field in dataclasses.fields(AverageBioequivalence)}
    base = BE(made)
    for name, value in OTHERS.items():
        other = dataclasses.replace(BE, **(value if isinstance(value, dict) else {name: value}))(made)
        assert not other.identical(base), name


def test_fields_change_the_result():
    made = trial(np.random.default_rng(3), replicates=200, cv=0.3)
    base = BE(made)
    wide = AverageBioequivalence("auc", "auc", *ARMS, lower=0.7, upper=1.43)(made)
    strict = AverageBioequivalence("auc", "auc", *ARMS, alpha=0.01)(made)
    assert strict["decision"].sum() < base["decision"].sum() < wide["decision"].sum()
    assert (strict["upper"] > base["upper"]).all()
    assert strict.attrs["level"] == 0.98


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values, arm: values.__setitem__((0, arm[0, :, 0] == 0, 0), np.nan),
        lambda values, _: values.__setitem__((0, slice(1, None)), np.nan),
        lambda values, _: values.__setitem__(0, 1.0),
    ],
    ids=["one sequence empty", "one subject left", "no variation"],
)
def test_a_replicate_that_cannot_be_analysed_has_failed_and_decides_nothing(spoil):
    made = trial(np.random.default_rng(4))
    before = BE(made)
    spoil(made["auc"].values, made["arm"].values)
    found = BE(made)
    assert found["failed"].values.tolist() == [True] + [False] * 5
    assert not found["decision"].values[0]
    for name in ("estimate", "se", "p", "lower", "cv_within"):
        assert np.isnan(found[name].values[0])
        np.testing.assert_array_equal(found[name][1:], before[name][1:])


def test_a_value_without_logarithm_counts_as_missing():
    made = trial(np.random.default_rng(5))
    zero = made.copy(deep=True)
    made["auc"].values[:, 3, 1] = np.nan
    zero["auc"].values[:, 3, 1] = 0.0
    xr.testing.assert_identical(BE(made), BE(zero))
    assert (BE(made)["n"] == 23).all()


def test_data_that_are_no_two_by_two_crossover_are_refused():
    made = trial(np.random.default_rng(6))
    with pytest.raises(TrialError, match="got 1 period"):
        BE(made.isel(period=0))
    both = made.copy(deep=True)
    both["arm"] = both["arm"].copy(data=np.zeros(both["arm"].shape, int))
    with pytest.raises(TrialError, match="every subject gets 'test' in one period and 'reference' in the other"):
        BE(both)
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'auc', wanted data with 'auc'; the data have arm"):
        BE(made.drop_vars("auc"))
    with pytest.raises(TrialError, match=r"analysis\.test: got 'generic', wanted one of the arms test, reference"):
        AverageBioequivalence("auc", "auc", "generic", "reference")(made)


def test_the_truth_is_the_mean_log_ratio_of_the_same_subjects():
    rng = np.random.default_rng(7)
    reference = rng.lognormal(size=(40, 30))
    test = reference * 0.9 * np.exp(0.1 * rng.standard_normal((40, 1)))
    truth = BE.truth({"test": test, "reference": reference})
    means = np.log(test / reference).mean(axis=1)
    assert truth.value == pytest.approx(means.mean())
    assert truth.mcse == pytest.approx(means.std(ddof=1) / np.sqrt(40))
    assert truth.replicates == 40
    assert BE.truth({"test": test[0], "reference": reference[0]}).replicates == 30


@pytest.mark.parametrize(
    ("ratio", "tolerance", "null"),
    [(1.25, 0, True), (0.80, 0, True), (1.3, 0, True), (0.95, 0, False), (1.24, 0, False), (1.24, 0.02, True)],
)
def test_the_null_is_on_and_outside_the_limits(ratio, tolerance, null):
    assert BE.null(np.log(ratio), tolerance) is null


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alpha": 1.5}, r"analysis\.alpha: got 1\.5, wanted a number in \(0, 0\.5\)"),
        ({"lower": 0}, r"analysis\.lower: got 0"),
        ({"lower": 1.3}, r"analysis\.upper: got 1\.25, wanted a limit above analysis\.lower \(1\.3\)"),
        ({"reference": "test"}, r"analysis\.reference: got 'test', wanted another arm"),
        ({"endpoint": None}, r"analysis\.endpoint: got None, wanted a name"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    fields = {"name": "auc", "endpoint": "auc", "test": "test", "reference": "reference"}
    with pytest.raises(TrialError, match=words):
        AverageBioequivalence(**fields | change)


def test_several_analyses_stand_side_by_side():
    made = trial(np.random.default_rng(9)).assign_coords(replicate=np.arange(10, 16))
    strict = AverageBioequivalence("strict", "auc", *ARMS, alpha=0.01)
    found = analyse([BE, strict], made)
    assert set(OUTPUTS) | {"cv_within"} == set(found.data_vars)
    assert found["replicate"].values.tolist() == list(range(10, 16))
    assert found["level"].values.tolist() == [0.9, 0.98]
    assert found["decision"].dtype == bool
    assert found["n"].dtype.kind == "i"
    for analysis in (BE, strict):
        one = found.sel(analysis=analysis.name)
        np.testing.assert_array_equal(one["lower"], analysis(made)["lower"])
