"""Noncompartmental endpoints on profiles with known answers."""

import math

import numpy as np
import pytest

from trials.endpoints.nca import AUC, Clearance, Cmax, HalfLife, LambdaZ, Tmax, Volume
from trials.endpoints.profiles import CHUNK
from trials.errors import TrialError

WHAT = ("x", "h*mg/L", "concentration")
NAN = math.nan


def auc(values, times, method="linear", **more):
    return AUC(*WHAT, method, **more)(np.asarray(values, float), np.asarray(times, float))


def test_linear_trapezoids():
    assert auc([0, 4, 2, 1], [0, 1, 2, 4]) == 2 + 3 + 3


def test_logarithmic_steps_only_where_it_falls():
    want = 2 + (4 - 2) / math.log(2) + (2 - 1) * 2 / math.log(2)
    assert auc([0, 4, 2, 1], [0, 1, 2, 4], "linear-up log-down") == pytest.approx(want, rel=1e-14)


def test_logarithmic_steps_are_exact_for_an_exponential():
    times = np.array([0, 0.5, 1.7, 6, 24])
    found = auc(10 * np.exp(-0.1 * times), times, "linear-up log-down")
    assert found == pytest.approx(100 * (1 - math.exp(-2.4)), rel=1e-13)


def test_a_nearly_level_logarithmic_step_loses_no_digits():
    for after in (0.7, 1.3, 3.1, 7.7):
        for ulps in (1, 3, 1_000, 10_000_001):
            before = after + ulps * np.spacing(after)
            found = auc([before, after], [0, 1], "linear-up log-down")
            assert found == pytest.approx((before + after) / 2, rel=1e-15)


def test_concentration_is_zero_at_a_dose_without_a_sample():
    assert auc([4, 2], [1, 2]) == 2 + 3
    assert auc([NAN, 4, 2], [0, 1, 2]) == 2 + 3
    assert auc([1, 4, 2], [0, 1, 2]) == 2.5 + 3


def test_a_missing_sample_is_stepped_over():
    assert auc([0, 4, NAN, 1], [0, 1, 2, 4]) == 2 + 2.5 * 3
    assert auc([0, 4, 2, NAN], [0, 1, 2, 4]) == 2 + 3


def test_below_the_limit_is_zero_before_and_missing_after_the_first_quantifiable():
    times = [0, 1, 2, 3, 4, 5]
    values = [0.4, 4, 0.3, 2, 0.2, 0.1]
    assert auc(values, times, lloq=0.5) == 2 + 3 * 2
    assert auc(values, times, lloq=0.0) == pytest.approx(2.2 + 2.15 + 1.15 + 1.1 + 0.15)
    assert auc([0.4, 0.4, 4, 2], [0, 1, 2, 3], lloq=0.5) == 2 + 3
    assert auc([0.0, -0.2, 4, 2, -0.1], [0, 1, 2, 3, 4]) == 2 + 3


def test_nothing_quantifiable_is_no_exposure_and_nothing_measured_is_unknown():
    profiles = np.array([[0.0, 0.0, 0.0], [NAN, NAN, NAN]])
    times = np.array([0.0, 1.0, 2.0])
    for endpoint in (AUC(*WHAT), Cmax(*WHAT)):
        np.testing.assert_array_equal(endpoint(profiles, times), [0.0, NAN])
    for endpoint in (Tmax(*WHAT), LambdaZ(*WHAT), HalfLife(*WHAT), AUC(*WHAT, until="infinity")):
        assert np.isnan(endpoint(profiles, times)).all()


def test_maximum_and_its_first_time():
    profiles = np.array([[0, 5, 5, 1], [NAN, 2, NAN, 3], [0.1, 0.2, 0.3, 0.2]])
    times = np.array([0.0, 1.0, 2.0, 4.0])
    np.testing.assert_array_equal(Cmax(*WHAT)(profiles, times), [5, 3, 0.3])
    np.testing.assert_array_equal(Tmax(*WHAT)(profiles, times), [1, 4, 2])
    np.testing.assert_array_equal(Cmax(*WHAT, lloq=0.5)(profiles, times), [5, 3, 0])
    np.testing.assert_array_equal(Tmax(*WHAT, lloq=0.5)(profiles, times), [1, 4, NAN])


def test_one_compartment_parameters_come_back():
    dose, ka, cl, v = 320.0, 1.5, 2.8, 32.0
    k, times = cl / v, np.concatenate([np.linspace(0, 6, 2001), np.linspace(6.5, 60, 400)])
    profile = dose * ka / v / (ka - k) * (np.exp(-k * times) - np.exp(-ka * times))
    # by convention points near the peak count while adjusted R-squared suffers by less than 1e-4: a small bias
    assert LambdaZ(*WHAT)(profile, times) == pytest.approx(k, rel=5e-3)
    assert HalfLife(*WHAT)(profile, times) == pytest.approx(math.log(2) / k, rel=5e-3)
    assert AUC(*WHAT, until="infinity")(profile, times) == pytest.approx(dose / cl, rel=1e-4)
    assert AUC(*WHAT, until="infinity predicted")(profile, times) == pytest.approx(dose / cl, rel=1e-4)
    assert Clearance(*WHAT, dose=dose)(profile, times) == pytest.approx(cl, rel=1e-4)
    assert Volume(*WHAT, dose=dose)(profile, times) == pytest.approx(v, rel=5e-3)


def test_the_terminal_slope_leaves_out_the_maximum_and_needs_three_points():
    times = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    exact = np.array([0.0, 8.0, 4.0, 2.0, 1.0])
    assert LambdaZ(*WHAT)(exact, times) == pytest.approx(math.log(2), rel=1e-12)
    assert np.isnan(LambdaZ(*WHAT)(exact[:-1], times[:-1]))
    assert np.isnan(LambdaZ(*WHAT)(np.array([0.0, 8.0, 1.0, 2.0, 3.0]), times))


def test_of_equally_good_slopes_the_one_with_more_points_wins():
    times = np.arange(8.0)
    values = np.array([0, 100, *(50 * np.exp(-0.3 * np.arange(6.0)))])
    bent = values.copy()
    bent[2] *= 1.0001
    slope = np.polyfit(times[2:], np.log(bent[2:]), 1)[0]
    assert LambdaZ(*WHAT)(bent, times) == pytest.approx(-slope, rel=1e-10)


def brute_force_slope(values, times):
    """Best adjusted R-squared by one regression after the other."""
    known = np.flatnonzero((values > 0) & (np.arange(len(values)) > np.nanargmax(values)))
    fits = []
    for start in known[: max(len(known) - 2, 0)]:
        used = known[known >= start]
        x, y = times[used], np.log(values[used])
        slope, cut = np.polyfit(x, y, 1)
        error, total = ((y - cut - slope * x) ** 2).sum(), ((y - y.mean()) ** 2).sum()
        if slope < 0:
            fits.append((1 - error / total * (len(used) - 1) / (len(used) - 2), len(used), -slope))
    if not fits:
        return NAN
    best = max(fit[0] for fit in fits)
    return max((fit for fit in fits if fit[0] >= best - 1e-4), key=lambda fit: fit[1])[2]


def test_slopes_of_noisy_profiles_agree_with_one_regression_after_the_other():
    rng = np.random.default_rng(5)
    times = np.array([0, 0.5, 1, 2, 3, 4, 6, 8, 12, 24.0])
    curve = 10 * (np.exp(-0.1 * times) - np.exp(-1.5 * times))
    values = curve * np.exp(0.3 * rng.standard_normal((200, 10)))
    values[rng.random(values.shape) < 0.1] = NAN
    found = LambdaZ(*WHAT)(values, times)
    np.testing.assert_allclose(found, [brute_force_slope(row, times) for row in values], rtol=1e-9)
    assert np.isfinite(found).sum() > 150


def test_leading_axes_chunks_and_own_clocks_change_nothing():
    rng = np.random.default_rng(3)
    times = np.array([0, 0.5, 1, 2, 4, 8, 24.0])
    values = rng.lognormal(size=(CHUNK // 4 + 3, 5, 7))
    for endpoint in (AUC(*WHAT, until="infinity"), Cmax(*WHAT), Tmax(*WHAT), HalfLife(*WHAT)):
        whole = endpoint(values, times)
        assert whole.shape == values.shape[:2]
        np.testing.assert_array_equal(whole[-3:], endpoint(values[-3:], times))
        np.testing.assert_array_equal(whole, endpoint(values, np.broadcast_to(times, values.shape)))
        assert endpoint(values[0, 0], times) == whole[0, 0]


@pytest.mark.parametrize("times", [[0, 1], [-1, 0, 1], [0, 2, 1], [0, 1, 1]])
def test_times_that_do_not_fit_are_refused(times):
    with pytest.raises(TrialError, match="times: got"):
        auc([1, 2, 3], times)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AUC(*WHAT, method="log"), r"endpoint\.method: got 'log', wanted one of linear, linear-up log-down"),
        (lambda: AUC(*WHAT, until="infinty"), r"endpoint\.until: .* \(did you mean 'infinity'\?\)"),
        (lambda: AUC(*WHAT, lloq=-1), r"endpoint\.lloq: got -1"),
        (lambda: Cmax("", "mg/L", "c"), r"endpoint\.name: got '', wanted a name"),
        (lambda: Clearance(*WHAT, dose=0), r"endpoint\.dose: got 0, wanted a number in \(0, inf\)"),
    ],
)
def test_an_impossible_endpoint_names_its_field(make, words):
    with pytest.raises(TrialError, match=words):
        make()
