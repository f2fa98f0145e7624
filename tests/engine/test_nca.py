"""Noncompartmental parameters of profiles with known answers."""

import math

import numpy as np
import pytest
import xarray as xr

from engine.errors import DataError
from engine.outcomes import NCA, noncompartmental
from engine.outcomes.parameters import PARAMETERS
from engine.outcomes.profiles import CHUNK

NAN = math.nan


def auc(values, times, method="linear", **more):
    return NCA("AUCLST", method, **more)(np.asarray(values, float), np.asarray(times, float))


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
    assert auc([0.5, 4, 0.5], [0, 1, 2], lloq=0.5) == 2.25 + 2.25
    assert auc([0.0, -0.2, 4, 2, -0.1], [0, 1, 2, 3, 4]) == 2 + 3


def test_nothing_quantifiable_is_no_exposure_and_nothing_measured_is_unknown():
    profiles = np.array([[0.0, 0.0, 0.0], [NAN, NAN, NAN]])
    times = np.array([0.0, 1.0, 2.0])
    for endpoint in (NCA("AUCLST"), NCA("CMAX")):
        np.testing.assert_array_equal(endpoint(profiles, times), [0.0, NAN])
    for endpoint in (NCA("TMAX"), NCA("LAMZ"), NCA("LAMZHL"), NCA("AUCIFO")):
        assert np.isnan(endpoint(profiles, times)).all()


def test_maximum_and_its_first_time():
    profiles = np.array([[0, 5, 5, 1], [NAN, 2, NAN, 3], [0.1, 0.2, 0.3, 0.2]])
    times = np.array([0.0, 1.0, 2.0, 4.0])
    np.testing.assert_array_equal(NCA("CMAX")(profiles, times), [5, 3, 0.3])
    np.testing.assert_array_equal(NCA("TMAX")(profiles, times), [1, 4, 2])
    np.testing.assert_array_equal(NCA("CMAX", lloq=0.5)(profiles, times), [5, 3, 0])
    np.testing.assert_array_equal(NCA("TMAX", lloq=0.5)(profiles, times), [1, 4, NAN])


def test_one_compartment_parameters_come_back():
    dose, ka, cl, v = 320.0, 1.5, 2.8, 32.0
    k, times = cl / v, np.concatenate([np.linspace(0, 6, 2001), np.linspace(6.5, 60, 400)])
    profile = dose * ka / v / (ka - k) * (np.exp(-k * times) - np.exp(-ka * times))
    # by convention points near the peak count while adjusted R-squared suffers by less than 1e-4: a small bias
    assert NCA("LAMZ")(profile, times) == pytest.approx(k, rel=5e-3)
    assert NCA("LAMZHL")(profile, times) == pytest.approx(math.log(2) / k, rel=5e-3)
    assert NCA("AUCIFO")(profile, times) == pytest.approx(dose / cl, rel=1e-4)
    assert NCA("AUCIFP")(profile, times) == pytest.approx(dose / cl, rel=1e-4)
    assert NCA("CLFO", dose=dose)(profile, times) == pytest.approx(cl, rel=1e-4)
    assert NCA("VZFO", dose=dose)(profile, times) == pytest.approx(v, rel=5e-3)


def test_the_terminal_slope_leaves_out_the_maximum_and_needs_three_points():
    times = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    exact = np.array([0.0, 8.0, 4.0, 2.0, 1.0])
    assert NCA("LAMZ")(exact, times) == pytest.approx(math.log(2), rel=1e-12)
    assert np.isnan(NCA("LAMZ")(exact[:-1], times[:-1]))
    assert np.isnan(NCA("LAMZ")(np.array([0.0, 8.0, 1.0, 2.0, 3.0]), times))


def test_of_equally_good_slopes_the_one_with_more_points_wins():
    times = np.arange(8.0)
    values = np.array([0, 100, *(50 * np.exp(-0.3 * np.arange(6.0)))])
    bent = values.copy()
    bent[2] *= 1.0001
    slope = np.polyfit(times[2:], np.log(bent[2:]), 1)[0]
    assert NCA("LAMZ")(bent, times) == pytest.approx(-slope, rel=1e-10)


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
    found = NCA("LAMZ")(values, times)
    np.testing.assert_allclose(found, [brute_force_slope(row, times) for row in values], rtol=1e-9)
    assert np.isfinite(found).sum() > 150


def test_leading_axes_chunks_and_own_clocks_change_nothing():
    rng = np.random.default_rng(3)
    times = np.array([0, 0.5, 1, 2, 4, 8, 24.0])
    values = rng.lognormal(size=(CHUNK // 4 + 3, 5, 7))
    for endpoint in (NCA("AUCIFO"), NCA("CMAX"), NCA("TMAX"), NCA("LAMZHL")):
        whole = endpoint(values, times)
        assert whole.shape == values.shape[:2]
        np.testing.assert_array_equal(whole[-3:], endpoint(values[-3:], times))
        np.testing.assert_array_equal(whole, endpoint(values, np.broadcast_to(times, values.shape)))
        assert endpoint(values[0, 0], times) == whole[0, 0]


@pytest.mark.parametrize("times", [[0, 1], [0, 2, 1], [0, 1, 1]])
def test_times_that_do_not_fit_are_refused(times):
    with pytest.raises(DataError, match="times: got"):
        auc([1, 2, 3], times)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NCA("AUCLST", method="log"), r"NCA\.method: got 'log', wanted one of linear, linear-up log-down"),
        (lambda: NCA("AUCLS"), r"NCA\.parameter: got 'AUCLS', .* \(did you mean 'AUCLST'\?\)"),
        (lambda: NCA("CMAX", lloq=-1), r"NCA\.lloq: got -1, wanted a number at least 0"),
        (lambda: NCA("CLFO", dose=0), r"NCA\.dose: got 0, wanted a number above 0"),
        (lambda: NCA("CLFO"), r"NCA\.parameter: CLFO \(apparent clearance .*\) needs dose"),
        (lambda: NCA("CLFO", route="iv bolus", dose=1), r"CLFO .* is for route extravascular, got 'iv bolus'"),
        (lambda: NCA("CMAX", route="iv infusion"), r"NCA\.duration: got None .* wanted the length of the infusion"),
        (lambda: NCA("CMAX", duration=1), r"NCA\.duration: got 1\.0 .* only an infusion has a length"),
        (lambda: NCA("AUCINT", start=3, end=2), r"NCA\.end: got 2, wanted a time after NCA\.start \(3\)"),
        (lambda: NCA("AUCINT", start=3), r"AUCINT .* needs end"),
    ],
)
def test_an_impossible_parameter_names_its_field(make, words):
    with pytest.raises(DataError, match=words):
        make()


K, CL, V, DOSE, TAU = 0.1, 3.0, 30.0, 90.0, 24.0
FINE = np.concatenate([np.linspace(0, 24, 97), np.linspace(25, 72, 48)])


def bolus(times):
    return DOSE / V * np.exp(-K * times)


@pytest.mark.parametrize(
    ("code", "want"),
    [
        ("C0", DOSE / V), ("AUCIFO", DOSE / CL), ("AUMCIFO", DOSE / V / K**2), ("MRTIBIFO", 1 / K), ("CLO", CL),
        ("VZO", V), ("VSSO", V), ("LAMZHL", math.log(2) / K), ("CLP", CL), ("VSSP", V),
        ("AUMCLST", DOSE / V / K**2 * (1 - math.exp(-7.2) * (1 + 7.2))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [0, 4])
def test_an_intravenous_bolus_gives_its_parameters_back(code, want, first):
    found = NCA(code, route="iv bolus", dose=DOSE)(bolus(FINE[first:]), FINE[first:])
    assert found == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("values", "want"),
    [([4.0, 2, 1], 8.0), ([4.0, 4, 1], 4.0), ([4.0, 5, 1], 4.0), ([4.0], 4.0), ([NAN, 4, 2], 16.0), ([0.0, 0, 0], NAN)],
)
def test_a_bolus_is_extrapolated_back_only_from_two_that_fall(values, want):
    times = np.arange(1.0, len(values) + 1)
    assert NCA("C0", route="iv bolus")(np.array(values), times) == pytest.approx(want, nan_ok=True)


def test_beyond_the_last_sample_the_interval_goes_on_at_the_terminal_rate():
    times = np.linspace(0, 10, 41)
    for code, want in (
        ("AUMCTAU", DOSE / V / K**2 * (1 - math.exp(-2.4) * (1 + 2.4))),
        ("AUCTAU", DOSE / CL * (1 - math.exp(-2.4))),
        ("CTROUGH", DOSE / V * math.exp(-2.4)),
    ):
        assert NCA(code, route="iv bolus", tau=TAU)(bolus(times), times) == pytest.approx(want, rel=1e-9), code


def test_an_infusion_is_not_residence():
    duration = 2.0
    during = DOSE / duration / CL * (1 - np.exp(-K * np.minimum(FINE, duration)))
    profile = during * np.exp(-K * np.maximum(FINE - duration, 0))
    options = {"route": "iv infusion", "duration": duration, "dose": DOSE}
    assert NCA("MRTICIFO", **options)(profile, FINE) == pytest.approx(1 / K, rel=1e-3)
    assert NCA("VSSO", **options)(profile, FINE) == pytest.approx(V, rel=1e-3)


def test_steady_state_of_repeated_boluses():
    last = 5 * TAU
    times = last + np.linspace(0, TAU, 49)
    profile = bolus(times - last) / (1 - math.exp(-K * TAU))
    high, low, mean = profile[0], profile[-1], DOSE / CL / TAU
    wants = {
        "AUCTAU": DOSE / CL, "CAVG": mean, "CMIN": low, "TMIN": TAU, "CTROUGH": low, "CLTAU": CL, "VZTAU": V,
        "FLUCP": 100 * (high - low) / mean, "SWING": 100 * (high - low) / low, "AILAMZ": 1 / (1 - math.exp(-K * TAU)),
    }  # fmt: skip
    early = np.concatenate([[0.0, 10.0], times])
    for code, want in wants.items():
        metric = NCA(code, route="iv bolus", tau=TAU, dose=DOSE, dose_time=last)
        assert metric(np.concatenate([[99.0, 77.0], profile]), early) == pytest.approx(want, rel=1e-9), code


def test_a_missing_predose_sample_at_steady_state_is_the_smallest_of_the_interval():
    times, values = np.array([2.0, 4, 12, 24]), np.array([8.0, 9, 5, 3])
    found = NCA("AUCTAU", "linear", tau=24)(values, times)
    assert found == pytest.approx(2 * 5.5 + 2 * 8.5 + 8 * 7 + 12 * 4)


@pytest.mark.parametrize(("start", "end"), [(0.0, 7.3), (3.1, 40.0), (60.0, 100.0), (80.0, 120.0)])
def test_partial_areas_interpolate_and_extrapolate(start, end):
    want = DOSE / V / K * (math.exp(-K * start) - math.exp(-K * end))
    found = NCA("AUCINT", route="iv bolus", start=start, end=end)(bolus(FINE), FINE)
    assert found == pytest.approx(want, rel=1e-9)


def test_a_partial_area_by_straight_lines():
    values, times = np.array([0.0, 4, 2, 1]), np.array([0.0, 1, 2, 4])
    assert NCA("AUCINT", "linear", start=0.5, end=3)(values, times) == pytest.approx(1.5 + 3 + 1.75)


def test_the_area_to_all_has_a_triangle_to_the_first_value_below_the_limit():
    values, times = [0, 4, 2, 0.1, 0.1], [0, 1, 2, 4, 6]
    assert auc(values, times, lloq=0.5) == 2 + 3
    found = NCA("AUCALL", "linear", lloq=0.5)(np.array(values), np.array(times, float))
    assert found == 2 + 3 + 2


def test_the_lag_is_the_sample_before_the_first_quantifiable():
    values = np.array([[0.0, 0, 3, 1], [2.0, 3, 2, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(NCA("TLAG")(values, np.array([0.0, 1, 2, 3])), [1, 0, NAN])


def test_every_parameter_has_a_unit_and_the_dataset_carries_it():
    profile = xr.DataArray(
        np.stack([bolus(FINE), 2 * bolus(FINE)]), {"subject": ["a", "b"], "time": ("time", FINE, {"units": "h"})},
        ("subject", "time"), attrs={"units": "mg/L"},
    )  # fmt: skip
    found = noncompartmental(profile, dose=[DOSE, 2 * DOSE], route="iv bolus", tau=24.0, start=0.0, end=12.0)
    assert {code for code, row in PARAMETERS.items() if not row.routes or "iv bolus" in row.routes} == set(found)
    units = {code: found[code].attrs["units"] for code in ("CMAX", "AUCIFO", "CLO", "VSSO", "AUCPEO", "LAMZ")}
    assert units == {"CMAX": "mg/L", "AUCIFO": "h*mg/L", "CLO": "L/h", "VSSO": "L", "AUCPEO": "percent", "LAMZ": "1/h"}
    np.testing.assert_allclose(found["CLO"], CL, rtol=1e-9)
    assert found["subject"].values.tolist() == ["a", "b"]
    for code in ("AUCIFO", "CMAX"):
        np.testing.assert_array_equal(found[code], NCA(code, route="iv bolus")(profile.to_numpy(), FINE))
