"""Sample sizes, power, conditional power, re-estimation and two-stage designs against rpact, gsDesign and clinfun."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from trials.boundaries import (
    AlphaSpending,
    BetaSpending,
    FutilityBounds,
    HwangShihDeCani,
    SurvivalPlan,
    UnblindedReestimation,
    conditional_power,
    dropout_hazard,
    expected_events,
    expected_information,
    fixed,
    given_bounds,
    inverse_normal,
    power_means,
    power_rates,
    power_survival,
    predictive_power_of_points,
    sample_size_means,
    sample_size_rates,
    sample_size_survival,
    simon_two_stage,
    stop_probabilities,
    two_stage_power,
)

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "design"
CASES = {
    case["id"]: case
    for name in ("rpact", "gsdesign_simon")
    for case in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
}
GROUP_SEQUENTIAL = AlphaSpending()([0.5, 0.75, 1])


def close(found, want, rel=1e-7):
    np.testing.assert_allclose(found, np.ravel(want), rtol=rel)


@pytest.mark.parametrize("scenario", [0, 1])
def test_means_with_students_t(scenario):
    given, want = CASES["ss_means_fixed"]["inputs"], CASES["ss_means_fixed"]["outputs"]
    difference, sd = given["alternative"][scenario], given["stDev"]
    found = sample_size_means(fixed(given["alpha"]), difference, sd, power=1 - given["beta"])
    close(found.fixed, want["nFixed"][scenario])
    close(found.test, want["nFixed1"][scenario])
    close(found.control, want["nFixed2"][scenario])
    close(found.critical_effects, want["criticalValuesEffectScale"][0][scenario])
    assert power_means(fixed(given["alpha"]), found.maximum, difference, sd).power == pytest.approx(0.9, abs=1e-9)


def test_means_group_sequential():
    want = CASES["ss_means_gs"]["outputs"]
    found = sample_size_means(GROUP_SEQUENTIAL, 0.4, 1.0, normal=True)
    close(found.fixed, want["nFixed"])
    close(found.maximum, want["maxNumberOfSubjects"])
    close(found.test, want["numberOfSubjects1"])
    close(found.control, want["numberOfSubjects2"])
    close(found.expected, want["expectedNumberOfSubjectsH1"])
    close(found.critical_effects, want["criticalValuesEffectScale"])
    close(found.efficacy, want["rejectPerStage"])
    close(found.efficacy[:2].sum(), want["earlyStop"])
    again = power_means(GROUP_SEQUENTIAL, found.maximum, 0.4, 1.0, normal=True)
    assert again.power == pytest.approx(0.8, abs=1e-10)
    assert again.expected == pytest.approx(found.expected, rel=1e-10)


def test_rates():
    given, want = CASES["ss_rates_fixed"]["inputs"], CASES["ss_rates_fixed"]["outputs"]
    found = sample_size_rates(fixed(), given["pi1"], given["pi2"])
    close(found.fixed, want["nFixed"])
    close(found.test, want["nFixed1"])
    close(found.critical_effects, want["criticalValuesEffectScale"])
    assert power_rates(fixed(), found.maximum, given["pi1"], given["pi2"]).power == pytest.approx(0.8, abs=1e-10)


def test_survival_size():
    given, want = CASES["ss_surv_gs"]["inputs"], CASES["ss_surv_gs"]["outputs"]
    lost = [dropout_hazard(given[f"dropoutRate{arm}"], given["dropoutTime"]) for arm in (1, 2)]
    plan = SurvivalPlan(
        control=given["lambda2"],
        hazard_ratio=given["hazardRatio"],
        accrual=1.0,
        accrual_ends=given["accrualTime"],
        dropout_test=lost[0],
        dropout_control=lost[1],
    )
    found = sample_size_survival(GROUP_SEQUENTIAL, plan, given["followUpTime"])
    close(found.events_fixed, want["eventsFixed"])
    close(found.subjects, want["maxNumberOfSubjects"])
    close(found.events, want["eventsPerStage"])
    close(found.times, want["analysisTime"])
    close(found.enrolled, want["numberOfSubjects"])
    close(found.expected_events, want["expectedEventsH1"])
    close(found.expected_events_null, want["expectedEventsH0"])
    close(found.expected_subjects, want["expectedNumberOfSubjectsH1"])
    close(found.duration, want["studyDuration"])
    close(found.critical_hazard_ratios, want["criticalValuesEffectScale"])
    close(found.plan.accrual, want["accrualIntensity"])
    close(found.efficacy, want["rejectPerStage"])
    single = sample_size_survival(fixed(), plan, given["followUpTime"])
    close(single.subjects, want["nFixed"])


@pytest.mark.parametrize("scenario", [0, 1, 2])
def test_survival_power(scenario):
    given, want = CASES["power_surv_gs"]["inputs"], CASES["power_surv_gs"]["outputs"]
    end = given["accrualTime"][1]
    plan = SurvivalPlan(given["lambda2"], given["hazardRatio"][scenario], given["maxNumberOfSubjects"] / end, end)
    found = power_survival(GROUP_SEQUENTIAL, plan, given["maxNumberOfEvents"])

    def column(name):
        return np.asarray(want[name])[..., scenario]

    close(found.power, column("overallReject"))
    close(found.efficacy, column("rejectPerStage"), rel=1e-6)
    close(found.times, column("analysisTime"))
    close(found.enrolled, column("numberOfSubjects"))
    close(found.expected_subjects, column("expectedNumberOfSubjects"))
    close(found.expected_events, column("expectedNumberOfEvents"))
    close(found.duration, column("studyDuration"))
    close(found.times[-1] - end, column("followUpTime"))
    close(found.critical_hazard_ratios, want["criticalValuesEffectScale"])


def test_survival_size_of_lachin_and_foulkes():
    case = next(case for name, case in CASES.items() if name.startswith("gsSurv"))
    given, want = case["inputs"], case["outputs"]
    bounds = AlphaSpending(futility=BetaSpending(given["beta"], HwangShihDeCani(given["sflpar"])))([0.5, 0.75, 1])
    plan = SurvivalPlan(
        control=given["lambdaC"],
        hazard_ratio=given["hr"],
        accrual=given["gamma"],
        accrual_ends=np.cumsum(given["R"]),
        dropout_test=given["eta"],
        dropout_control=given["eta"],
    )
    found = sample_size_survival(bounds, plan, given["minfup"], power=1 - given["beta"], method="lachin_foulkes")
    close(found.events, want["n.I"], rel=5e-6)
    close(found.times, want["T"], rel=1e-6)
    close(found.plan.accrual, want["gamma"], rel=5e-6)
    arms = expected_events(found.plan, found.times)
    close(arms.control, want["eDC"], rel=5e-6)
    close(arms.test, want["eDE"], rel=5e-6)
    close(found.enrolled / 2, want["eNC"], rel=5e-6)
    close(found.events[-1] * expected_information(bounds, [0, bounds.drift]), want["en"], rel=5e-6)


def test_expected_events_by_numerical_integration():
    plan = SurvivalPlan(
        control=(0.05, 0.0, 0.12),
        starts=(0.0, 3.0, 5.0),
        hazard_ratio=0.7,
        accrual=(3.0, 8.0),
        accrual_ends=(4.0, 10.0),
        dropout_test=0.02,
        ratio=2.0,
    )

    step = 1e-3
    time = np.arange(0.0, 14.0, step) + step / 2
    hazard = np.select([time < 3, time < 5], [0.05, 0.0], 0.12)
    entering = np.select([time < 4, time < 10], [3.0, 8.0], 0.0)
    for day in (2.0, 7.5, 14.0):
        found = expected_events(plan, day)
        inside = time < day
        for arm, ratio, lost, share in ((found.test, 0.7, 0.02, 2 / 3), (found.control, 1.0, 0.0, 1 / 3)):
            leaving = (ratio * hazard + lost) * step
            staying = np.exp(leaving / 2 - leaving.cumsum())
            event = (ratio * hazard * staying * step).cumsum()
            want = (entering[inside] * event[inside][::-1]).sum() * step
            assert float(arm) == pytest.approx(share * want, rel=1e-3)


@pytest.mark.parametrize("name", ["gsCP_k3", "gsCP_k3b"])
def test_conditional_power(name):
    given, want = CASES[name]["inputs"], CASES[name]["outputs"]
    information = np.asarray(given["n.I"])
    bounds = given_bounds(information / information[-1], given["upper"])
    drifts = np.asarray(given["theta"]) * np.sqrt(information[-1])
    found = conditional_power(bounds, given["i"], given["zi"], drifts)
    np.testing.assert_allclose(found.T, want["cond_upper_prob"], rtol=2e-7)
    np.testing.assert_allclose(found.sum(axis=1), want["total"], rtol=2e-7)
    predictive = predictive_power_of_points(bounds, given["i"], given["zi"], drifts, [0.5, 0.5])
    assert float(predictive) == pytest.approx(want["predictive_power_twopoint"], rel=2e-7)


@pytest.mark.parametrize("scenario", range(4))
def test_sample_size_reestimation(scenario):
    """Two stages of a normal test, simulated on the scale of z, against rpact's simulation."""
    given, want = CASES["ssr_means"]["inputs"], CASES["ssr_means"]["outputs"]
    bounds = AlphaSpending(futility=FutilityBounds([0.0]))([0.5, 1])
    rule = UnblindedReestimation(
        least=given["minNumberOfSubjectsPerStage"][1],
        most=given["maxNumberOfSubjectsPerStage"][1],
        power=given["conditionalPower"],
        effect=given["thetaH1"],
    )
    trials, theirs, effect = 200_000, given["maxNumberOfIterations"], given["alternative"][scenario]
    first, planned = given["plannedSubjects"][0], 80
    noise = np.random.default_rng(11 + scenario).standard_normal((trials, 2))
    z1 = noise[:, 0] + effect * np.sqrt(first) / 2
    wins, loses = z1 >= bounds.efficacy[0], z1 <= bounds.futility[0]
    size = rule.size(bounds, 1, z1, first, planned)
    reached = rule.conditional_power(bounds, 1, z1, first, size)
    z2 = noise[:, 1] + effect * np.sqrt(size) / 2
    on = ~wins & ~loses
    late = on & (inverse_normal(np.column_stack([z1, z2]), [0.5, 1])[:, 1] >= bounds.efficacy[1])

    def agree(values, wanted, ours, their):
        error = np.std(values) * np.sqrt(1 / ours + 1 / their)
        assert np.mean(values) == pytest.approx(wanted, abs=3.5 * error)

    agree(wins | late, want["overallReject"][scenario], trials, theirs)
    agree(wins, want["rejectPerStage"][0][scenario], trials, theirs)
    agree(late, want["rejectPerStage"][1][scenario], trials, theirs)
    agree(loses, want["futilityStop"][scenario], trials, theirs)
    agree(first + np.where(on, size, 0.0), want["expectedNumberOfSubjects"][scenario], trials, theirs)
    going = on.sum()
    agree(size[on], want["sampleSizes"][1][scenario], going, going * theirs / trials)
    agree(reached[on], want["conditionalPowerAchieved"][1][scenario], going, going * theirs / trials)


def test_type_i_error_of_reestimation_is_alpha():
    """Without the futility bound; by quadrature over the first stage's statistic, whatever the size of the second."""
    bounds = AlphaSpending()([0.5, 1])
    early = stop_probabilities(bounds, 0.0).efficacy[0]

    def late(z):
        second = (bounds.efficacy[1] - z * np.sqrt(0.5)) / np.sqrt(0.5)
        return stats.norm.pdf(z) * stats.norm.sf(second)

    rest, _ = integrate.quad(late, -12, bounds.efficacy[0], epsabs=1e-12)
    assert early + rest == pytest.approx(0.025, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("simon")])
def test_simon(name):
    given, want = CASES[name]["inputs"], CASES[name]["outputs"]
    found = simon_two_stage(given["p0"], given["p1"], alpha=given["alpha"], power=1 - given["beta"])
    for kind in ("optimal", "minimax"):
        design, wanted = getattr(found, kind), want[kind]
        assert (design.r1, design.n1, design.r, design.n) == tuple(wanted[field] for field in ("r1", "n1", "r", "n"))
        assert design.expected == pytest.approx(wanted["EN(p0)"], abs=1e-9)
        assert design.stopping == pytest.approx(wanted["PET(p0)"], abs=1e-10)
        for rate, value in ((given["p0"], design.alpha), (given["p1"], design.power)):
            exact = two_stage_power(design.r1, design.n1, design.r, design.n, rate)
            assert value == pytest.approx(exact, abs=1e-12)
        assert design.alpha <= given["alpha"]
        assert design.power >= 1 - given["beta"]
