"""Boundaries, sizes, power and inference against the numbers that rpact's own tests expect (`rpact_suite.json`)."""

import json
from pathlib import Path

import numpy as np
import pytest

from trials import boundaries

CASES = json.loads(
    (Path(__file__).resolve().parents[1] / "reference" / "design" / "rpact_suite.json").read_text(encoding="utf-8")
)
SHAPED = boundaries.WangTsiatis(exponent=0.3)([0.2, 0.5, 1])


def cases(kind):
    return [pytest.param(case, id=str(case.get("id", number))) for number, case in enumerate(CASES[kind])]


def spending(words):
    return getattr(boundaries, words[0])(*words[1:])


def bounds_of(case):
    """Bounds of a case: `boundary` fields, `beta` spending or futility `z`, at its `rates`."""
    fields = dict(case["boundary"], binding=case.get("binding", False))
    if "beta" in case:
        fields["futility"] = boundaries.BetaSpending(case["beta"][0], spending(case["beta"][1]))
    elif "z" in case:
        fields["futility"] = boundaries.FutilityBounds(case["z"])
    if "spending" not in fields:
        return boundaries.WangTsiatis(**fields)(case["rates"])
    return boundaries.AlphaSpending(**fields | {"spending": spending(fields["spending"])})(case["rates"])


@pytest.mark.parametrize("case", cases("boundaries"))
def test_boundaries(case):
    bounds = bounds_of(case)
    np.testing.assert_allclose(bounds.efficacy, case["efficacy"], rtol=0, atol=2e-7)
    if "futility" in case:
        np.testing.assert_allclose(bounds.futility[:-1], case["futility"], rtol=0, atol=2e-7)
        power = boundaries.stop_probabilities(bounds, bounds.drift).efficacy.cumsum()
        np.testing.assert_allclose(power, case["power"], rtol=0, atol=5e-8)


def check_size(found, case):
    assert found.maximum == pytest.approx(case["n"], rel=3e-7)
    if "n_test" in case:
        assert found.test[-1] == pytest.approx(case["n_test"], rel=3e-7)
    if "effects" in case:
        np.testing.assert_allclose(found.critical_effects, np.array(case["effects"], float), rtol=3e-7)
    if "expected" in case:
        np.testing.assert_allclose([found.expected_null, found.expected], case["expected"], rtol=3e-7)


@pytest.mark.parametrize("case", cases("means"))
def test_size_for_means(case):
    check_size(boundaries.sample_size_means(SHAPED, power=0.9, **case["args"]), case)


@pytest.mark.parametrize("case", cases("rates"))
def test_size_for_rates(case):
    check_size(boundaries.sample_size_rates(SHAPED, power=0.9, **case["args"]), case)


@pytest.mark.parametrize("case", cases("two_sided_rates"))
def test_size_for_rates_two_sided(case):
    bounds = boundaries.WangTsiatis(exponent=0.3, alpha=0.4, sided=2)([0.2, 0.5, 1])
    check_size(boundaries.sample_size_rates(bounds, power=0.9, **case["args"]), case)


@pytest.mark.parametrize("case", [*cases("power_means"), *cases("power_rates")])
def test_power(case):
    power = boundaries.power_means if "sd" in case["args"] else boundaries.power_rates
    found = power(bounds_of(case), **case["args"])
    assert found.power == pytest.approx(case["power"], abs=2e-8)
    if "expected" in case:
        assert found.expected == pytest.approx(case["expected"], rel=1e-7)
        np.testing.assert_allclose(found.efficacy, case["efficacy"], rtol=0, atol=2e-8)
    if "futility" in case:
        np.testing.assert_allclose(found.futility[:-1], case["futility"], rtol=0, atol=2e-8)
    if "effects" in case:
        np.testing.assert_allclose(found.critical_effects, case["effects"], rtol=3e-7)


@pytest.mark.parametrize("case", cases("survival_methods"))
def test_methods_for_survival(case):
    """Shares with the event 0.4 and 0.2 by 14 months, accrual over 8, follow-up of 10; shares lost by 16 months."""
    test, control = (-np.log1p(-share) / 14 for share in (0.4, 0.2))
    lost = [boundaries.dropout_hazard(share, 16) for share in case["lost"]]
    plan = boundaries.SurvivalPlan(
        control, test / control, 1.0, 8.0, dropout_test=lost[0], dropout_control=lost[1], ratio=case["ratio"]
    )
    found = boundaries.sample_size_survival(SHAPED, plan, 10.0, power=0.9, method=case["method"])
    assert found.subjects == pytest.approx(case["subjects"], rel=1e-7)
    assert found.events[-1] == pytest.approx(case["events"], rel=1e-7)
    assert found.duration == pytest.approx(case["duration"], rel=1e-7)
    np.testing.assert_allclose(found.critical_hazard_ratios[[0, 2]], case["effects"], rtol=1e-7)


@pytest.mark.parametrize("case", cases("survival"))
def test_size_for_survival(case):
    given = case["args"]
    test, control = (-np.log1p(-share) / given["by"] for share in given["shares"])
    plan = boundaries.SurvivalPlan(control, test / control, 1.0, case["accrual"], ratio=given["ratio"])
    found = boundaries.sample_size_survival(SHAPED, plan, case["follow_up"], power=0.9)
    for name in ("subjects", "events", "times", "duration", "expected_subjects"):
        np.testing.assert_allclose(getattr(found, name), case[name], rtol=2e-7, err_msg=name)
    for name in ("expected_events", "expected_events_null"):
        np.testing.assert_allclose(getattr(found, name), case[name], rtol=2e-7, err_msg=name)
    np.testing.assert_allclose(found.critical_hazard_ratios, case["effects"], rtol=2e-7)


@pytest.mark.parametrize("case", cases("final"))
def test_final_and_repeated_inference_on_a_hazard_ratio(case):
    rule = boundaries.FutilityBounds(case["z"])
    bounds = boundaries.WangTsiatis(exponent=0.25, futility=rule, binding=case["binding"])(case["rates"])
    z, events = np.asarray(case["log_rank"]), np.asarray(case["events"], float)

    def ratio(drift, look):
        return np.exp(2 * np.asarray(drift) * np.sqrt(bounds.information_rates[look] / events[look]))

    last = len(z) - 1
    found = boundaries.final_analysis(bounds, last + 1, z[last])
    assert float(found.p) == pytest.approx(case["p"], abs=1e-9)
    assert ratio(found.estimate, last) == pytest.approx(case["estimate"], rel=1e-6)
    np.testing.assert_allclose(ratio([found.lower, found.upper], last), case["interval"], rtol=1e-6)
    for look in range(len(z)):
        limits = boundaries.repeated_interval(bounds, look + 1, z[look])
        want = [side[look] for side in case["repeated"]]
        np.testing.assert_allclose(ratio(limits, look).ravel(), want, rtol=2e-7)
