"""Twins under the engine's models: NONMEM's individual estimates, coverage of forecasts, occasions, three methods."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohorts
import engine
from cohorts import DosePlan, DoseTarget, PatientRecord
from cohorts.twins.records import Course
from trials import twins

REFERENCE = Path(__file__).parents[1] / "reference"


def parameter(unit, typical, omega=None, **more):
    between = {"between_subject": omega} if omega else {}
    return {"unit": unit, "meaning": "m", "typical": typical, **between, **more, "source": "stated in the test"}


def population(parameters, **residual):
    return cohorts.load_population(
        {
            "name": "people", "reference": "stated in the test", "parameters": parameters,
            "residual": {"concentration": {**residual, "source": "stated in the test"}},
        }
    )  # fmt: skip


def fixed(**values):
    return {name: parameter(unit, value, scale="normal") for name, (unit, value) in values.items()}


def root(x):
    return math.sqrt(x)


WARFARIN = population(
    {
        "ka": parameter("1/h", math.exp(-0.569395), root(0.474983)),
        "cl": parameter("L/h", math.exp(-2.00723), root(0.0790298)),
        "v": parameter("L", math.exp(2.05853), root(0.0482784)),
        **fixed(f=("1", 1), tlag=("h", 0)),
    },
    kind="combined2", additive=0.722484, proportional=0.117047,
)  # fmt: skip
BAUER = population(
    {
        "cl": parameter("L/h", 3.876825, root(0.01997162)), "v1": parameter("L", 9.760346, root(0.01486943)),
        "q": parameter("L/h", 8.773851, root(0.02318324)), "v2": parameter("L", 30.81783, root(0.02918796)),
    },
    kind="proportional", proportional=root(0.008841256),
)  # fmt: skip
CASES = {
    "warfarin_run000": (WARFARIN, "one_compartment_oral", "warfarin_pk.csv",
                        "onecmt_oral_warfarin_individual_ipred.csv",
                        {"cl": ("CL", 1e-4), "v": ("VC", 1e-4), "ka": ("KA", 2e-3)}),
    "bauer402": (BAUER, "two_compartment_iv", "bauer402_twocmt_bolus.csv", "twocmt_bolus_individual_ipred.csv",
                 {"cl": ("CL", 1e-5), "v1": ("V1", 1e-5), "q": ("Q", 1e-5), "v2": ("V2", 1e-5)}),
}  # fmt: skip


def fitted(case, **options):
    people, model, data, _, _ = CASES[case]
    model = engine.load_model(model)
    records = twins.records(engine.read_nonmem(REFERENCE / "popfit" / data), model)
    return twins.twin_cohort(model, people, records, seed=1, **options)


@pytest.mark.parametrize("case", CASES)
def test_modes_are_the_individual_estimates_of_nonmem(case):
    """CL, V, ... of each person by NONMEM's FOCEI at the same population values, given with five to six digits."""
    found = fitted(case, method="laplace", particles=100).modes()
    theirs = pd.read_csv(REFERENCE / CASES[case][3]).groupby("ID").first()
    for ours, (name, tolerance) in CASES[case][4].items():
        assert np.abs(found[ours].to_numpy() / theirs[name].to_numpy() - 1.0).max() < tolerance, name


@pytest.mark.parametrize("case", CASES)
def test_mean_weights_are_the_marginal_likelihood(case):
    """Mean importance ratio of each person: its likelihood over all it could be; exact -2 log L of the reference."""
    ratio = fitted(case, particles=2000).particles.log_ratio
    largest = ratio.max(axis=1)
    total = np.sum(np.log(np.mean(np.exp(ratio - largest[:, None]), axis=1)) + largest)
    known = json.loads((REFERENCE / "popfit" / "marginal_likelihood.json").read_text())["values"][case]
    assert -2.0 * total == pytest.approx(known["minus2LL_IS"], abs=0.3)


TWO = {"cl": 3.0, "v1": 30.0, "q": 4.0, "v2": 40.0}
PEOPLE = population(
    {
        "cl": parameter("L/h", {"lognormal": {"median": 3.0, "cv": 0.1}}, 0.3), "v1": parameter("L", 30.0, 0.25),
        "q": parameter("L/h", 4.0), "v2": parameter("L", 40.0, 0.3),
    },
    kind="combined2", additive=0.2, proportional=0.1,
)  # fmt: skip
MODEL = engine.load_model("two_compartment_iv")
DOSES = {"time": [0.0, 12.0, 24.0], "amt": [500.0] * 3, "rate": [500.0] * 3}
VISITS, LATER = np.array([1.5, 11.5, 23.5]), np.array([26.0, 35.5, 47.0])


def simulated(n, *, uncertain, seed):
    """Records of n people, and what they will be later: true values and measurements, (subject, time)."""
    rng = np.random.default_rng(seed)
    typical = 3.0 * np.exp(math.sqrt(math.log1p(0.01)) * rng.standard_normal(n)) if uncertain else np.full(n, 3.0)
    values = {
        "cl": typical * np.exp(0.3 * rng.standard_normal(n)), "v1": 30.0 * np.exp(0.25 * rng.standard_normal(n)),
        "q": np.full(n, 4.0), "v2": 40.0 * np.exp(0.3 * rng.standard_normal(n)),
    }  # fmt: skip
    regimen = engine.Regimen(engine.Dose(500, into="central", every=12, times=3, duration=1))
    times = np.concatenate([VISITS, LATER])
    true = engine.simulate_arrays(MODEL, values, regimen, times, before_dose=True).outputs["concentration"]
    seen = true + np.hypot(0.2, 0.1 * true) * rng.standard_normal(true.shape)
    records = [PatientRecord({"time": VISITS, "dv": y[:3]}, DOSES, {}, f"p{i}") for i, y in enumerate(seen)]
    return records, true[:, 3:], seen[:, 3:]


def coverage(n, *, uncertain, seed, particles):
    records, true, seen = simulated(n, uncertain=uncertain, seed=seed)
    how = "mixed" if uncertain else "centred"
    group = twins.twin_cohort(MODEL, PEOPLE, records, seed=seed, uncertainty=how, particles=particles)
    assert float(group.diagnostics["pareto_k"].max()) < 0.7
    found = group.forecast(LATER).sel(output="concentration")
    return {
        "true": float(((true >= found["lower"]) & (true <= found["upper"])).mean()),
        "measured": float(((seen >= found["measured_lower"]) & (seen <= found["measured_upper"])).mean()),
    }


@pytest.mark.parametrize("uncertain", [False, True])
def test_forecasts_cover(uncertain):
    for kind, share in coverage(300, uncertain=uncertain, seed=11, particles=400).items():
        assert share == pytest.approx(0.9, abs=0.045), kind


@pytest.mark.slow
@pytest.mark.parametrize(("uncertain", "n"), [(False, 2500), (True, 2000)])
def test_forecasts_cover_within_two_percent(uncertain, n):
    for kind, share in coverage(n, uncertain=uncertain, seed=12, particles=500).items():
        assert share == pytest.approx(0.9, abs=0.02), kind


def test_a_population_believed_too_alike_does_not_cover():
    """The check bites: with half the variability the intervals are too narrow."""
    records, true, _ = simulated(300, uncertain=False, seed=13)
    alike = population(
        {"cl": parameter("L/h", 3.0, 0.05), "v1": parameter("L", 30.0, 0.05), "q": parameter("L/h", 4.0),
         "v2": parameter("L", 40.0, 0.05)}, kind="combined2", additive=0.2, proportional=0.1,
    )  # fmt: skip
    found = twins.twin_cohort(MODEL, alike, records, seed=1, particles=400).forecast(LATER).sel(output="concentration")
    assert float(((true >= found["lower"]) & (true <= found["upper"])).mean()) < 0.7


RECORD = PatientRecord({"time": [11.5, 23.5], "dv": [6.1, 8.3]}, DOSES, {}, "p")


def test_forecast_of_measurements_is_wider_and_doses_to_come_count():
    twin = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    plain, dosed = twin.forecast([40.0]), twin.forecast([40.0], {"time": [36.0], "amt": [1000.0]})
    assert np.all(plain["measured_upper"] > plain["upper"])
    assert float(dosed["mean"][0, 0]) > 2.0 * float(plain["mean"][0, 0])


def test_sequential_visits_are_the_batch():
    whole = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    first = twins.twin(MODEL, PEOPLE, RECORD.until(12.0), seed=2)
    step = first.update(RECORD.after(12.0), least=0.05)
    assert step.diagnostics["history"] == ["fitted", "reweighted"]
    a, b = whole.summary(), step.summary()
    error = np.hypot(a["mean_mcse"], b["mean_mcse"])[["cl", "v1", "v2"]]
    assert np.all(np.abs(a["mean"] - b["mean"])[["cl", "v1", "v2"]] < 4.0 * error)


def test_a_measurement_below_the_limit_is_an_upper_bound():
    people = population(
        {"cl": parameter("L/h", 3.0, 0.3), "v1": parameter("L", 30.0, 0.2), "q": parameter("L/h", 4.0),
         "v2": parameter("L", 40.0)}, kind="additive", additive=0.5, blq="M3",
    )  # fmt: skip
    doses = {"time": [0.0], "amt": [500.0]}
    below = PatientRecord({"time": [48.0], "dv": [0.0], "blq": [True], "lloq": [1.0]}, doses, {}, "p")
    nothing = PatientRecord(None, doses, {}, "p")
    known, prior = (twins.twin(MODEL, people, r, seed=1).summary().loc["cl", "mean"] for r in (below, nothing))
    assert known > prior
    unsaid = population(
        {"cl": parameter("L/h", 3.0, 0.3), "v1": parameter("L", 30.0), "q": parameter("L/h", 4.0),
         "v2": parameter("L", 40.0)}, kind="additive", additive=0.5,
    )  # fmt: skip
    with pytest.raises(cohorts.PopulationError, match="blq"):
        twins.twin(MODEL, unsaid, below, seed=1)


ORAL = engine.load_model("one_compartment_oral")
OCCASIONS = population(
    {"ka": parameter("1/h", 1.0), "cl": parameter("L/h", 3.0, 0.3, between_occasion=0.3),
     "v": parameter("L", 30.0, 0.2), **fixed(f=("1", 1), tlag=("h", 0))},
    kind="combined1", additive=0.2, proportional=0.1,
)  # fmt: skip


def test_parameters_of_an_occasion_act_from_its_dose_on():
    seen = {"time": [90.0, 100.0], "dv": [1.0, 1.0], "occasion": [0, 1]}
    record = PatientRecord(seen, {"time": [0.0, 96.0], "amt": [100.0] * 2}, {})
    course = Course(record.doses, np.array([90.0, 100.0]), np.array(["concentration"] * 2), np.array([0, 1]))
    values = {
        "ka": np.ones(1),
        "cl": np.array([[3.0, 6.0]]),
        "v": np.full(1, 30.0),
        "f": np.ones(1),
        "tlag": np.zeros(1),
    }
    found = twins.Equations(ORAL)(values, [course], np.zeros(1, dtype=np.intp))[0]

    def bateman(k, t):
        return 100.0 / 30.0 / (1.0 - k) * (math.exp(-k * t) - math.exp(-t))

    assert found[0] == pytest.approx(bateman(0.1, 90.0), rel=1e-8)
    left = bateman(0.1, 96.0) * math.exp(-0.2 * 4.0)  # what the first dose left; its gut is empty by then
    assert found[1] == pytest.approx(left + bateman(0.2, 4.0), rel=1e-6)


def test_a_new_occasion_is_less_certain_than_the_same():
    record = PatientRecord(
        {"time": [2.0, 6.0, 12.0, 24.0], "dv": [2.6, 1.9, 1.1, 0.4]}, {"time": [0.0], "amt": [100.0]}, {}
    )
    twin = twins.twin(ORAL, OCCASIONS, record, seed=1)
    doses = {"time": [96.0], "amt": [100.0]}
    widths = [
        float((f["upper"] - f["lower"])[0, 0])
        for f in (twin.forecast([108.0], doses, occasion=o) for o in ("same", "new"))
    ]
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.slow
def test_three_methods_agree():
    for uncertainty in ("centred", "mixed"):
        made = {
            m: twins.twin(
                MODEL, PEOPLE, RECORD, seed=1, method=m, uncertainty=uncertainty, allow=["pareto_k"]
            ).summary()
            for m in ("importance", "nuts", "laplace")
        }
        error = np.hypot(made["importance"]["mean_mcse"], made["nuts"]["mean_mcse"])
        apart = np.abs(made["importance"]["mean"] - made["nuts"]["mean"])
        assert np.all(apart[["cl", "v1", "v2"]] < 4.0 * error[["cl", "v1", "v2"]])
        close = np.abs(made["laplace"]["mean"] - made["nuts"]["mean"]) / made["nuts"]["sd"]
        assert np.all(close[["cl", "v1", "v2"]] < 0.35)


# ---- doses
def linear_truth(metric, amount, interval, twin):
    """The metric of each particle far into a regimen, from the linear model's steady state: AUC = dose / CL."""
    assert metric == "auc"
    return amount / twin.parameters()["cl"] * 24.0 / interval


def test_dose_for_an_auc_is_the_one_the_clearance_says():
    twin = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    plan = DosePlan(36.0, 240.0, (12.0,), duration=1.0, least=50.0, most=4000.0)
    found = twin.dose_for(DoseTarget("auc", "concentration", 400.0, 600.0, 0.5, window=24.0), plan)
    assert found.met
    amounts = np.linspace(300.0, 2000.0, 500)
    inside = [
        twin.weight @ ((a * 2.0 / twin.parameters()["cl"] > 400) & (a * 2.0 / twin.parameters()["cl"] < 600))
        for a in amounts
    ]
    assert found.probability == pytest.approx(max(inside), abs=0.01)
    truth = linear_truth("auc", found.amount, 12.0, twin)
    assert found.expected == pytest.approx(float(twin.weight @ truth), rel=5e-3)  # 240 h is nearly for ever
    assert found.probability_mcse < 0.02


def test_an_expected_value_is_met_in_the_middle_of_its_range():
    twin = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    plan = DosePlan(36.0, 240.0, (12.0,), duration=1.0, least=50.0, most=4000.0)
    found = twin.dose_for(DoseTarget("auc", "concentration", 490.0, 510.0, None, window=24.0), plan)
    exact = 500.0 / (24.0 / 12.0 * float(twin.weight @ (1.0 / twin.parameters()["cl"])))
    assert found.met
    assert found.amount == pytest.approx(exact, rel=0.02)


def test_a_lower_limit_takes_the_least_dose_and_a_list_is_kept_to():
    twin = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    target = DoseTarget("trough", "concentration", low=5.0, probability=0.9)
    plan = DosePlan(36.0, 96.0, (8.0, 12.0), duration=1.0, least=100.0, most=2000.0, step=50.0)
    found = twin.dose_for(target, plan)
    assert found.met
    assert found.amount % 50.0 == 0.0
    for interval in (8.0, 12.0):  # nothing allowed that is less per hour meets it
        less = np.arange(100.0, found.amount / found.interval * interval, 50.0)
        lower = twin.dose_for(target, DosePlan(36.0, 96.0, (interval,), duration=1.0, amounts=(float(less[-1]),)))
        assert not lower.met
    listed = twin.dose_for(target, DosePlan(36.0, 96.0, (12.0,), duration=1.0, amounts=(250.0, 500.0, 1000.0, 2000.0)))
    assert listed.amount in (250.0, 500.0, 1000.0, 2000.0)


def test_no_dose_in_the_range_is_said_in_words():
    twin = twins.twin(MODEL, PEOPLE, RECORD, seed=1)
    plan = DosePlan(36.0, 96.0, (12.0,), duration=1.0, least=100.0, most=500.0)
    found = twin.dose_for(DoseTarget("trough", "concentration", low=50.0, probability=0.9), plan)
    assert not found.met
    assert found.statement.startswith("No dose from 100 to 500 every 12 meets a probability of 0.9")
    assert "Monte Carlo error" in found.statement


def test_metrics_of_a_known_course():
    """A straight line down from 10 to 0 over 10 h: every metric by hand."""
    plan = DosePlan(0.0, 10.0, (10.0,), amounts=(1.0,))
    from cohorts.twins.targets import METRICS

    target = DoseTarget("within", "y", low=0.1, limits=(2.0, 5.0))
    grid = plan.grid(target, 10.0)
    course = 10.0 - grid.time
    wanted = {"trough": 0.0, "peak": 10.0, "lowest": 0.0, "auc": 50.0, "average": 5.0, "within": 0.3}
    for name, value in wanted.items():
        assert METRICS[name].measure(course, grid, target.limits) == pytest.approx(value, abs=1e-9), name
    auc = plan.grid(DoseTarget("auc", "y", 0.0, 1.0), 10.0)
    assert METRICS["auc"].measure(np.exp(-auc.time), auc, target.limits) == pytest.approx(
        1.0 - math.exp(-10.0), rel=1e-9
    )


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: DoseTarget("auk", "y", 1.0, 2.0), "metric"),
        (lambda: DoseTarget("auc", "y"), "low, high"),
        (lambda: DoseTarget("auc", "y", 1.0, 2.0, probability=1.5), "probability"),
        (lambda: DoseTarget("within", "y", 0.5), "limits"),
        (lambda: DosePlan(0.0, 24.0, (), amounts=(1.0,)), "intervals"),
        (lambda: DosePlan(0.0, 24.0, (12.0,)), "least, most"),
        (lambda: DosePlan(0.0, 24.0, (12.0,), least=10.0, most=20.0, step=25.0), "step"),
        (lambda: DosePlan(0.0, 24.0, (12.0,), amounts=(1.0,), duration=13.0), "duration"),
    ],
)
def test_targets_and_plans_that_mean_nothing_are_refused(made, match):
    with pytest.raises(cohorts.PopulationError, match=match):
        made()
