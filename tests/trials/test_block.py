"""One piece of work: what patients go through, what is seen of it, and that a block stands alone."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from tests.trials.small import crossover
from trials.block import Work, draw, simulate, simulate_block, status_counts, trial_data
from trials.conduct import Conduct, noise
from trials.protocol import Truth
from trials.truth import TruthWork, true_effects

SEED = 3


def work(replicates, scenario="gmr_095", **changes):
    return Work("x", crossover().scenario(scenario).protocol, replicates, **{"seed": SEED, "posterior": None} | changes)


def test_blocks_of_any_size_give_the_same_bits():
    whole = simulate_block(work(range(7)))
    for sizes in ([1] * 7, [3, 4], [5, 2]):
        starts = np.cumsum([0, *sizes])
        parts = [simulate_block(work(range(a, b))) for a, b in pairwise(starts)]
        for name, values in whole.items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values, err_msg=name)


def test_scenarios_share_patients_allocation_and_noise():
    one, other = simulate(work(range(3))), simulate(work(range(3), "gmr_125"))
    xr.testing.assert_identical(one.patients, other.patients)
    np.testing.assert_array_equal(one.arms, other.arms)
    reference = one.arms == 1
    np.testing.assert_allclose(
        one.true["concentration"][:, :, 0][reference[:, :, 0]], other.true["concentration"][:, :, 0][reference[:, :, 0]]
    )


def test_true_concentrations_follow_the_bateman_function_with_carry_over():
    course = simulate(work(range(2)))
    protocol, patients = crossover().scenario("gmr_095").protocol, course.patients
    times = np.asarray(protocol.measurement("concentration").times)
    assert patients["cl"].dims == ("replicate", "subject", "occasion")
    shape = (2, 24, 2)
    at = {name: np.broadcast_to(patients[name].values.reshape(2, 24, -1), shape) for name in ("ka", "cl", "v", "f")}
    factor = np.where(course.arms == 0, 0.95, 1.0)
    start = protocol.design.starts(times[-1])[1]

    def bateman(replicate, subject, period, time):
        ka, cl, v, f = (at[name][replicate, subject, period] for name in ("ka", "cl", "v", "f"))
        k = cl / v
        scale = 320 * f * factor[replicate, subject, period] * ka / v / (ka - k)
        return scale * (np.exp(-k * time) - np.exp(-ka * time))

    true = course.true["concentration"]
    for where in np.ndindex(true.shape[:2]):
        np.testing.assert_allclose(true[*where, 0], bateman(*where, 0, times), rtol=1e-9, atol=1e-12)
        both = bateman(*where, 1, times) + bateman(*where, 0, start + times)
        np.testing.assert_allclose(true[*where, 1], both, rtol=1e-9, atol=1e-12)


def test_what_one_period_leaves_is_there_in_the_next():
    short = crossover("design.washout=4").scenario("gmr_100").protocol
    course = simulate(Work("x", short, range(2), SEED, None))
    before = course.true["concentration"][:, :, 1, 0]
    assert (before > 0).all()
    assert np.median(before) > 0.1
    np.testing.assert_array_equal(course.true["concentration"][:, :, 0, 0], 0)


def test_observed_values_are_true_ones_with_the_populations_error():
    course = simulate(work(range(4)))
    a = course.patients["sigma_additive_concentration"].values[:, None, None, None]
    b = course.patients["sigma_proportional_concentration"].values[:, None, None, None]
    true, seen = course.true["concentration"], course.observed["concentration"]
    drawn = noise(crossover().protocol, SEED, range(4), 24, 2)["concentration"]
    expected = true + (a + b * true) * drawn
    np.testing.assert_allclose(seen, np.where(expected < 0.1, 0.0, expected), rtol=1e-12)
    assert (seen == 0).any()
    assert not ((seen > 0) & (seen < 0.1)).any()


def test_an_error_of_the_protocol_replaces_the_populations():
    error = '{proportional: 0.05, source: "an assay"}'
    trial = crossover(f"measurements.concentration.error={error}", "measurements.concentration.lloq=null")
    course = simulate(Work("x", trial.protocol, range(40), SEED, None))
    true, seen = course.true["concentration"], course.observed["concentration"]
    np.testing.assert_array_equal(seen[true == 0], 0)
    ratios = (seen / np.where(true > 0, true, 1))[true > 0]
    assert ratios.std() == pytest.approx(0.05, rel=0.02)


def test_a_failed_patient_is_missing_from_its_period_on_and_counted():
    protocol = crossover().protocol
    patients = draw(protocol, 24, range(2), seed=SEED, posterior=None, occasions=2).copy(deep=True)
    patients["cl"].values[0, 5, 1] = np.nan
    patients["cl"].values[1, 7, 0] = np.nan
    conduct = Conduct(protocol, patients, noise(protocol, SEED, range(2), 24, 2))
    arms = np.stack([np.tile([[0, 1], [1, 0]], (12, 1))] * 2)
    course = conduct.course(arms)
    lost = np.isnan(course.observed["concentration"]).all(axis=-1)
    assert np.argwhere(lost).tolist() == [[0, 5, 1], [1, 7, 0], [1, 7, 1]]
    assert status_counts(course.status).sum(axis=0)[1] == 2
    data = trial_data(work(range(2)), course)
    analysed = protocol.analysis("auc")(data)
    np.testing.assert_array_equal(analysed["n"].values, [23, 23])


def test_arm_summaries_are_those_of_the_data():
    one = work(range(3))
    data, arrays = trial_data(one, simulate(one)), simulate_block(one)
    for index in (0, 1):
        values = data["cmax"].where(data["arm"] == index)
        over = ("subject", "period")
        np.testing.assert_allclose(arrays["arm.mean"][:, 1, index], values.mean(over))
        np.testing.assert_allclose(arrays["arm.sd"][:, 1, index], values.std(over, ddof=1))
        np.testing.assert_allclose(arrays["arm.geometric_mean"][:, 1, index], np.exp(np.log(values).mean(over)))
        np.testing.assert_array_equal(arrays["arm.n"][:, 1, index], 24)


def test_the_truth_is_the_ratio_that_was_put_in():
    size = {"size": Truth(4, 16), "seed": SEED, "posterior": None}
    for name, ratio in (("gmr_095", 0.95), ("gmr_100", 1.0), ("gmr_125", 1.25)):
        for effect in true_effects(TruthWork(crossover().scenario(name).protocol, **size)):
            assert effect.value == pytest.approx(np.log(ratio), abs=1e-12)
    auc, cmax = true_effects(TruthWork(crossover().scenario("slower_absorption").protocol, **size))
    assert -0.1 < auc.value < 0
    assert cmax.value < -0.05
    assert cmax.mcse > 0


def test_the_truth_of_what_is_measured_has_the_error_in_it():
    protocol = crossover().scenario("gmr_125").protocol
    _, cmax = true_effects(TruthWork(protocol, Truth(30, 64, measured=True), SEED, None))
    assert cmax.value < np.log(1.25) - 3 * cmax.mcse


def test_a_patient_who_fails_under_one_arm_is_left_out_of_the_truth(monkeypatch):
    from trials import truth

    def failing(*words, **options):
        patients = draw(*words, **options).copy(deep=True)
        patients["cl"].values[0, 3] = np.nan
        return patients

    monkeypatch.setattr(truth, "draw", failing)
    work = TruthWork(crossover().scenario("gmr_095").protocol, Truth(4, 16), SEED, None)
    for effect in true_effects(work):
        assert effect.value == pytest.approx(np.log(0.95), abs=1e-12)
        assert effect.replicates == 63
