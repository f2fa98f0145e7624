"""Analyses of several periods a subject against least squares with a column for every subject."""

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr

from tests.trials.crossover_data import DIMS, simulated
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.analyses.crossover_effects import CrossoverAnova
from trials.analyses.scaled_bioequivalence import ScaledBioequivalence
from trials.errors import TrialError

WILLIAMS = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 0, 2]]
NAMES = ("low", "high", "placebo")
WHAT = ("it", "pk", "high", "placebo")
BE = ("it", "pk", "test", "reference")


def williams(missing=0.0, replicates=3):
    made = simulated(
        WILLIAMS, per_sequence=4, replicates=replicates, seed=2, effects=(0.1, 0.5, 0.0), cv=0.3, names=NAMES
    )
    hidden = np.random.default_rng(1).random(made["pk"].shape) < missing
    return made.assign(pk=made["pk"].where(~hidden))


def regression(made, row, carryover):
    """The same model with a dummy for every subject, fitted by statsmodels."""
    values, arm = np.log(made["pk"].values[row]), made["arm"].values[row]
    subject, period = (grid.ravel() for grid in np.indices(arm.shape))
    before = np.concatenate([np.full((len(arm), 1), 2), arm[:, :-1]], axis=1).ravel()
    columns = [subject[:, None] == np.arange(len(arm)), period[:, None] == [1, 2], arm.ravel()[:, None] == [1, 0]]
    columns += [before[:, None] == [0, 1]] if carryover else []
    design = np.concatenate(columns, axis=1).astype(float)
    used = np.isfinite(values.ravel())
    fit = sm.OLS(values.ravel()[used], design[used]).fit()
    place = len(arm) + 2
    return fit.params[place], fit.bse[place], fit.df_resid, fit.pvalues[place]


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("carryover", [False, True])
def test_it_is_least_squares_with_a_column_for_every_subject(carryover, missing):
    made = williams(missing)
    found = CrossoverAnova(*WHAT, log=True, carryover=carryover)(made)
    for row in range(3):
        estimate, se, df, p = regression(made, row, carryover)
        assert found["estimate"].values[row] == pytest.approx(estimate, rel=1e-8)
        assert found["se"].values[row] == pytest.approx(se, rel=1e-8)
        assert found["df"].values[row] == df
        assert found["p"].values[row] == pytest.approx(p, rel=1e-6)
        alone = np.isfinite(made["pk"].values[row]).sum(axis=-1) < 2
        assert found["n"].values[row] == 24 - alone.sum()


def test_on_a_two_by_two_all_three_analyses_are_one():
    made = simulated([[0, 1], [1, 0]], per_sequence=9, replicates=5, seed=4, effects=(0.05, 0.0), cv=0.2)
    made["pk"].values[0, 3, 1] = np.nan
    average = AverageBioequivalence(*BE)(made)
    plain = CrossoverAnova(*BE, log=True, alpha=0.1)(made)
    for name in ("estimate", "se", "df", "n", "lower", "upper"):
        np.testing.assert_allclose(plain[name], average[name], rtol=1e-9)


@pytest.mark.parametrize("regulator", ["EMA", "FDA"])
def test_a_reference_that_varies_little_has_the_limits_of_average_bioequivalence(regulator):
    orders = [[0, 1, 0, 1], [1, 0, 1, 0]]
    made = simulated(orders, per_sequence=12, replicates=300, seed=4, effects=(0.13, 0.0), cv=0.15)
    found = ScaledBioequivalence(*BE, regulator)(made)
    np.testing.assert_array_equal(found["limit"], np.log(1.25))
    inside = (found["lower"] >= np.log(0.8)) & (found["upper"] <= np.log(1.25))
    np.testing.assert_array_equal(found["decision"], inside)
    assert 0.1 < inside.mean() < 0.99
    np.testing.assert_array_equal(found["p"] < 0.05, inside)


def test_limits_widen_with_the_reference_alone_up_to_a_cap():
    orders = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    for cv, limit in ((0.4, 0.76 * np.sqrt(np.log(1.16))), (1.5, 0.76 * np.sqrt(np.log(1.25)))):
        made = simulated(orders, per_sequence=4000, replicates=1, seed=9, effects=(0.0, 0.0), cv=(0.9, cv))
        found = ScaledBioequivalence(*BE, "EMA")(made)
        assert found["limit"].item() == pytest.approx(limit, rel=0.02)


def test_a_ratio_outside_the_plain_limits_never_passes():
    made = simulated([[0, 1, 0, 1], [1, 0, 1, 0]], per_sequence=60, replicates=40, seed=1, effects=(0.25, 0.0), cv=1.0)
    for regulator in ("EMA", "FDA"):
        found = ScaledBioequivalence(*BE, regulator)(made)
        near = np.abs(found["estimate"]) <= np.log(1.25)
        assert not found["decision"].values[~near].any()
        assert 0 < near.sum() < 40


def test_missing_periods_leave_a_subject_out_where_it_has_no_contrast():
    made = simulated([[0, 1, 0, 1], [1, 0, 1, 0]], per_sequence=6, replicates=2, seed=1, effects=(0.0, 0.0), cv=0.4)
    made["pk"].values[0, 0, 1:] = np.nan
    made["pk"].values[0, 1, 0] = np.nan
    assert ScaledBioequivalence(*BE, "EMA")(made)["n"].values.tolist() == [11, 12]
    assert ScaledBioequivalence(*BE, "FDA")(made)["n"].values.tolist() == [10, 12]


def test_the_truth_is_the_mean_difference():
    values = {"high": np.array([3.0, 5.0, 7.0]), "placebo": np.array([1.0, 2.0, 6.0])}
    assert CrossoverAnova(*WHAT).truth(values).value == pytest.approx(2.0)
    log = np.log(values["high"] / values["placebo"]).mean()
    assert CrossoverAnova(*WHAT, log=True).truth(values).value == pytest.approx(log)
    assert ScaledBioequivalence("it", "pk", "high", "placebo", "EMA").truth(values).value == pytest.approx(log)


def test_a_design_that_does_not_fit_is_named():
    made = simulated([[0, 1], [1, 0]], per_sequence=4, replicates=2, seed=4, effects=(0.0, 0.0), cv=0.2)
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'pk', wanted a design in which 'reference' is rep"):
        ScaledBioequivalence(*BE, "EMA")(made)
    parallel = xr.Dataset({"pk": (DIMS[:2], made["pk"].values[..., 0]), "arm": made["arm"].isel(period=0)})
    assert CrossoverAnova(*BE)(parallel)["failed"].all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regulator": "WHO"}, r"analysis\.regulator: got 'WHO', wanted one of EMA, FDA"),
        ({"lower": 1.1}, r"analysis\.upper: got \(1\.1, 1\.25\), wanted limits on either side of 1"),
        ({"reference": "test"}, r"analysis\.reference: got 'test', wanted another arm"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    given = dict(zip(("name", "endpoint", "test", "reference"), BE, strict=True)) | {"regulator": "EMA"}
    with pytest.raises(TrialError, match=words):
        ScaledBioequivalence(**given | change)


@pytest.mark.slow
@pytest.mark.parametrize("carryover", [False, True])
def test_type_i_error_in_a_williams_design(carryover):
    made = simulated(WILLIAMS, per_sequence=2, replicates=20_000, seed=12, effects=(0.3, 0.0, 0.0), cv=0.3, names=NAMES)
    found = CrossoverAnova(*WHAT, log=True, carryover=carryover)(made)["decision"].mean().item()
    assert found == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 20_000))
