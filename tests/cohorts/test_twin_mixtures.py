"""Twins of patients whose class nobody knows, and of patients whose covariates change: exact answers beside ours."""

import json

import numpy as np
import pytest
from scipy import integrate, stats

import cohorts
import engine
from cohorts import PatientRecord
from cohorts.twins.varying import Varying
from trials import twins

OMEGA, SIGMA, MU = np.array([2.0, 0.5]), 0.7, np.array([10.0, -1.0])
FACTOR, SHARE = np.array([1.0, 1.5]), np.array([0.8, 0.2])
TIMES = np.array([0.0, 1.0, 2.0, 4.0])
DV = np.array([13.4, 12.1, 10.9, 9.0])
SOURCE = {"source": "made up"}


def lines(uncertain=0.0, shares=None):
    """Patients who are straight lines; the intercept of one class in five is half as high again."""
    typical = {"normal": {"mean": float(MU[0]), "sd": uncertain}} if uncertain else float(MU[0])
    normal = {"unit": "1", "meaning": "m", "scale": "normal", **SOURCE}
    levels = dict(zip(("usual", "high"), FACTOR.tolist(), strict=True))
    return cohorts.load_population({
        "name": "lines", "reference": "made up",
        "mixture": {"kind": {"meaning": "kind of line", **SOURCE,
                             **(shares or {"levels": dict(zip(levels, SHARE.tolist(), strict=True))})}},
        "parameters": {
            "a": {**normal, "typical": typical, "between_subject": float(OMEGA[0]),
                  "effects": {"kind": {"kind": "factor", "levels": levels}}},
            "b": {**normal, "typical": float(MU[1]), "between_subject": float(OMEGA[1])},
        },
        "residual": {"y": {"kind": "additive", "additive": SIGMA, **SOURCE}},
    })  # fmt: skip


def predict(parameters, courses, which):
    time = np.full((len(courses), max(len(c.time) for c in courses)), np.nan)
    for i, c in enumerate(courses):
        time[i, : len(c.time)] = c.time
    return parameters["a"][:, None] + parameters["b"][:, None] * time[which]


def record(dv=DV, time=TIMES, name="p"):
    return PatientRecord({"time": time, "dv": dv}, None, {}, name)


def exact(dv=DV, extra=0.0, share=SHARE):
    """Probability of each class; mean and variance of the intercept; evidence of each class."""
    x = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    weight, mean, variance = np.empty(2), np.empty(2), np.empty(2)
    for c, factor in enumerate(FACTOR):
        prior, mu = np.diag(OMEGA**2 + np.array([(factor * extra) ** 2, 0.0])), MU * np.array([factor, 1.0])
        weight[c] = share[c] * stats.multivariate_normal(x @ mu, x @ prior @ x.T + SIGMA**2 * np.eye(4)).pdf(dv)
        cov = np.linalg.inv(x.T @ x / SIGMA**2 + np.linalg.inv(prior))
        mean[c], variance[c] = (cov @ (x.T @ dv / SIGMA**2 + np.linalg.inv(prior) @ mu))[0], cov[0, 0]
    p = weight / weight.sum()
    middle = p @ mean
    return p, middle, p @ (variance + (mean - middle) ** 2), weight.sum()


@pytest.mark.parametrize(
    ("options", "uncertain"),
    [({}, 0.0), ({"method": "laplace"}, 0.0), ({"proposal": "prior", "particles": 20000}, 0.0),
     ({}, 2.0), ({"method": "laplace"}, 2.0)],
)  # fmt: skip
def test_the_class_is_an_unknown_like_others(options, uncertain):
    twin = cohorts.twin(lines(uncertain), record(), predict, seed=1, **options)
    p, mean, variance, _ = exact(extra=uncertain)
    found, a, ess = twin.classes(), twin.parameters()["a"], twin.diagnostics["ess"]
    assert 0.2 < p[1] < 0.8
    assert float(found["kind"].sel(kind_class="high")) == pytest.approx(p[1], abs=4.0 * np.sqrt(p[0] * p[1] / ess))
    assert twin.weight @ a == pytest.approx(mean, abs=4.0 * np.sqrt(variance / ess))
    assert twin.weight @ (a - twin.weight @ a) ** 2 == pytest.approx(variance, rel=5.0 / np.sqrt(ess))
    assert float(found["kind_mcse"].max()) < 0.05


def test_mean_ratio_is_the_evidence_of_all_classes():
    twin = cohorts.twin(lines(), record(), predict, seed=6, particles=40000)
    ratio = np.exp(twin.group.particles.log_ratio[0])
    assert ratio.mean() / exact()[3] == pytest.approx(1.0, abs=0.02)


def test_uncertain_shares_are_mixed_over():
    """Beta(2, 8) for the share of the high class: its mean is what counts for one patient."""
    population = lines(shares={"dirichlet": {"usual": 8.0, "high": 2.0}})
    twin = cohorts.twin(population, record(), predict, seed=1)
    p = exact()[0]
    assert twin.diagnostics["uncertainty"] == "mixed"
    assert float(twin.classes()["kind"][1]) == pytest.approx(p[1], abs=0.04)


def test_a_class_that_the_data_exclude_and_one_they_prove():
    low, high = (cohorts.twin(lines(), record(DV + by), predict, seed=2) for by in (-6.0, 8.0))
    assert float(low.classes()["kind"][1]) < 1e-3
    assert float(high.classes()["kind"][1]) > 0.99
    assert high.group.modes()["a"].item() == pytest.approx(exact(DV + 8.0)[1], abs=0.05)


def test_many_patients_of_unknown_class_are_each_alone():
    records = [record(DV + by, name=f"p{i}") for i, by in enumerate((-3.0, 0.0, 2.0, 6.0))]
    group = cohorts.twin_cohort(lines(), records, predict, seed=5, particles=2000)
    for i, one in enumerate(records):
        alone = cohorts.twin(lines(), one, predict, seed=5, number=i, particles=2000)
        assert np.allclose(group[i].weight, alone.weight, rtol=1e-8)
        assert np.allclose(group[i].parameters()["a"], alone.parameters()["a"])
        assert float(group.classes()["kind"][i, 1]) == pytest.approx(exact(one.observations["dv"])[0][1], abs=0.06)


def test_the_tree_and_updates_know_the_class():
    twin = cohorts.twin(lines(2.0), record(DV[:2], TIMES[:2]), predict, seed=3, proposal="prior", particles=20000)
    late = twin.update(record(DV[2:], TIMES[2:]), least=0.01)
    assert late.diagnostics["history"] == ["fitted", "reweighted"]
    assert float(late.classes()["kind"][1]) == pytest.approx(exact(extra=2.0)[0][1], abs=0.04)
    tree = late.posterior
    assert tree["posterior"]["kind"].attrs["levels"] == ["usual", "high"]
    assert float(tree["posterior"]["kind"].mean()) == pytest.approx(float(late.classes()["kind"][1]), abs=0.02)
    ahead = late.forecast([6.0])
    assert float(ahead["measured_upper"][0, 0]) > float(ahead["upper"][0, 0])


def test_nuts_which_may_miss_a_class_is_refused():
    """Four chains of it stayed in the class of a quarter here, and agreed with each other."""
    with pytest.raises(cohorts.PopulationError, match=r"mixture.kind: chains seldom.*take method='importance'"):
        cohorts.twin(lines(), record(), predict, seed=1, method="nuts", graph=lambda *_: None)


# ---------------------------------------------------------------------------------------- covariates that change
MODEL = engine.load_model("one_compartment_iv")
KIDNEY = cohorts.load_population({
    "name": "kidneys", "reference": "made up",
    "covariates": {"crcl": {"unit": "mL/min", "meaning": "creatinine clearance", **SOURCE,
                            "distribution": {"normal": {"mean": 90, "sd": 20}, "lower": 10}}},
    "parameters": {
        "cl": {"unit": "L/h", "meaning": "m", "typical": 4.0, "between_subject": 0.4, **SOURCE,
               "effects": {"crcl": {"kind": "power", "reference": 100, "coefficient": 1.0}}},
        "v": {"unit": "L", "meaning": "m", "typical": 40.0, **SOURCE},
    },
    "residual": {"concentration": {"kind": "additive", "additive": 0.4, **SOURCE}},
})  # fmt: skip
DOSE = {"time": [0.0], "amt": [400.0], "cmt": ["central"]}
COURSE = {"time": [0.0, 10.0, 20.0], "value": [120.0, 60.0, 20.0]}
SEEN = {"time": [6.0, 14.0, 26.0], "dv": [5.4, 3.6, 2.9]}
AFTER = PatientRecord(SEEN, DOSE, {"crcl": COURSE})


def concentration(eta, time):
    """400 mg into 40 L at time 0; clearance is 4.8, 2.4 and 0.8 L/h times exp(eta), each for its hours."""
    clearance = 4.0 * np.array([1.2, 0.6, 0.2]) * np.exp(eta)
    hours = np.clip(time - np.array([0.0, 10.0, 20.0]), 0.0, [10.0, 10.0, np.inf])
    return 10.0 * np.exp(-(clearance @ hours) / 40.0)


def truth(of=lambda eta: np.exp(eta)):
    def density(eta):
        z = (np.array(SEEN["dv"]) - [concentration(eta, t) for t in SEEN["time"]]) / 0.4
        return np.exp(-0.5 * (z**2).sum() - 0.5 * (eta / 0.4) ** 2)

    total = integrate.quad(density, -2, 2, epsabs=1e-12)[0]
    return integrate.quad(lambda eta: of(eta) * density(eta), -2, 2, epsabs=1e-12)[0] / total


@pytest.mark.parametrize("method", ["importance", "laplace"])
def test_a_covariate_that_changes_acts_from_its_time_on(method):
    twin = twins.twin(MODEL, KIDNEY, AFTER, seed=1, method=method)
    assert twin.parameters()["cl"].shape[1] == 3
    found, error = twin.summary().loc["cl[0]", ["mean", "mean_mcse"]]
    assert found == pytest.approx(4.8 * truth(), abs=4.0 * error + (0.02 if method == "laplace" else 0.0))
    ahead = twin.forecast([8.0, 18.0, 40.0]).sel(output="concentration")
    for i, time in enumerate((8.0, 18.0, 40.0)):
        wanted = truth(lambda eta, t=time: concentration(eta, t))
        assert float(ahead["mean"][i]) == pytest.approx(wanted, abs=4.0 * float(ahead["mean_mcse"][i]) + 0.01)
    assert twin.posterior["posterior"]["cl"].dims == ("chain", "draw", "period")
    assert twin.posterior["constant_data"]["crcl"].values.tolist() == [120.0, 60.0, 20.0]


def test_the_last_value_alone_is_another_patient():
    constant = twins.twin(MODEL, KIDNEY, PatientRecord(SEEN, DOSE, {"crcl": 20.0}), seed=1)
    changing = twins.twin(MODEL, KIDNEY, AFTER, seed=1)
    assert constant.summary().loc["cl", "mean"] > 1.5 * changing.summary().loc["cl[2]", "mean"]


def test_changes_arrive_visit_by_visit():
    first = AFTER.until(12.0)
    assert str(first.covariates["crcl"]) == "120 at 0, 60 at 10"
    twin = twins.twin(MODEL, KIDNEY, first, seed=1).update(AFTER.after(12.0))
    assert twin.record.covariates["crcl"] == Varying((0.0, 10.0, 20.0), (120.0, 60.0, 20.0))
    assert np.array_equal(twin.weight, twins.twin(MODEL, KIDNEY, AFTER, seed=1).weight)


def test_occasions_and_changes_go_together():
    """Two occasions, a change within each: every period has the deviation of its occasion and its own covariate."""
    parts = json.loads(json.dumps(KIDNEY.to_dict()))
    parts["parameters"]["cl"]["between_occasion"] = {"value": 0.3, **SOURCE}
    people = cohorts.load_population(parts)
    doses = {"time": [0.0, 48.0], "amt": [400.0] * 2, "cmt": ["central"] * 2}
    seen = {"time": [6.0, 14.0, 54.0, 70.0], "dv": [5.4, 3.6, 5.2, 4.0], "occasion": [0, 0, 1, 1]}
    crcl = {"time": [0.0, 10.0, 60.0], "value": [120.0, 60.0, 20.0]}
    twin = twins.twin(MODEL, people, PatientRecord(seen, doses, {"crcl": crcl}), seed=1)
    cl, problem = twin.parameters()["cl"], twin.group.problem
    assert cl.shape[1] == 6
    np.testing.assert_allclose(cl[:, [1, 2, 4, 5]] / cl[:, [0, 0, 3, 3]], np.tile([0.5, 1 / 6], (len(cl), 2)))
    assert problem.courses[0].occasion.tolist() == [0, 1, 4, 5]
    assert problem.courses[0].doses["occasion"].tolist() == [0, 4]
    assert problem.courses[0].periods.tolist() == [0, 1, 5]
    new = twin.forecast([100.0], {"time": [96.0], "amt": [400.0], "cmt": ["central"]}, occasion="new")
    same = twin.forecast([100.0], {"time": [96.0], "amt": [400.0], "cmt": ["central"]})
    assert float(new["upper"][0, 0] - new["lower"][0, 0]) > float(same["upper"][0, 0] - same["lower"][0, 0])


def test_patients_whose_covariates_change_at_other_times_are_each_alone():
    other = PatientRecord(SEEN, DOSE, {"crcl": {"time": [0.0, 15.0], "value": [80.0, 40.0]}}, "q")
    steady = PatientRecord(SEEN, DOSE, {"crcl": 70.0}, "r")
    records = [AFTER, other, steady]
    group = twins.twin_cohort(MODEL, KIDNEY, records, seed=4, particles=1000)
    for i, one in enumerate(records):
        alone = twins.twin(MODEL, KIDNEY, one, seed=4, number=i, particles=1000)
        assert np.allclose(group[i].weight, alone.weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("crcl", "match"),
    [
        ({"time": [0.0, 0.0], "value": [1.0, 2.0]}, "two values at one time"),
        ({"time": [0.0], "value": [1.0, 2.0]}, "as many of each"),
        ({"when": [0.0], "value": [1.0]}, "wanted time and value"),
        (None, "got None, wanted a number"),
    ],
)
def test_changes_that_mean_nothing_are_refused(crcl, match):
    with pytest.raises(cohorts.PopulationError, match=match):
        PatientRecord(SEEN, DOSE, {"crcl": crcl})


def test_nuts_and_fits_refuse_changes_by_name():
    with pytest.raises(cohorts.PopulationError, match=r"covariates: \['crcl'\] change with time"):
        _ = AFTER.data
    with pytest.raises(cohorts.PopulationError, match=r"\['crcl'\] change with time.*take method='importance'"):
        twins.twin(MODEL, KIDNEY, AFTER, seed=1, method="nuts")
    assert AFTER.to_nonmem()["crcl"].tolist() == [120.0, 120.0, 60.0, 20.0]


def test_a_dose_is_found_for_the_clearance_that_holds_by_then():
    """AUC over 24 h far on is dose a day over the clearance of the last spell."""
    twin = twins.twin(MODEL, KIDNEY, AFTER, seed=1)
    plan = cohorts.DosePlan(30.0, 2400.0, (24.0,), into="central", least=10.0, most=2000.0)
    target = cohorts.DoseTarget("auc", "concentration", 195.0, 205.0, None, window=24.0)
    found = twin.dose_for(target, plan)
    exact = 200.0 / float(twin.weight @ (1.0 / twin.parameters()["cl"][:, 2]))
    assert found.met
    assert found.amount == pytest.approx(exact, rel=0.02)


# --------------------------------------------------------------------------------------------------- what is recorded
def test_what_was_allowed_stands_in_the_tree():
    far = PatientRecord({"time": np.linspace(0, 4, 400), "dv": np.full(400, 40.0)}, None, {}, "far")
    with pytest.raises(cohorts.CalibrationError, match="which is recorded"):
        cohorts.twin(lines(), far, predict, seed=1, proposal="prior")
    twin = cohorts.twin(lines(), far, predict, seed=1, proposal="prior", allow=["pareto_k", "ess"])
    assert set(json.loads(twin.posterior.attrs["failed"])) == {"pareto_k", "ess"}
    assert "Pareto k is" in twin.diagnostics["failed"]["pareto_k"]
    fine = cohorts.twin(lines(), record(), predict, seed=1, allow=["ess"])
    assert fine.diagnostics["failed"] == {}
    assert fine.diagnostics["uncertainty"] == "known"
    assert fine.posterior.attrs["uncertainty"] == "known"


# ------------------------------------------------------------------------------------------------------------ pictures
def test_a_forecast_is_drawn_with_its_units(tmp_path):
    twin = twins.twin(MODEL, KIDNEY, AFTER, seed=1)
    found = twin.forecast([30.0, 40.0])
    assert found["units"].values.tolist() == ["mg/L"]
    assert found["time"].attrs["units"] == "h"
    later = {"time": [30.0], "amt": [400.0], "cmt": ["central"], "ii": [12.0], "addl": [2]}
    figure = cohorts.plot_forecast(twin, doses=later, target=(2.0, 8.0), log=True)
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("time (h)", "concentration (mg/L)")
    lines = {line.get_marker(): line.get_xdata().tolist() for line in axis.lines if line.get_marker() in ("o", "^")}
    assert lines["^"] == [0.0, 30.0, 42.0, 54.0]
    assert any(line.get_xdata().tolist() == SEEN["time"] for line in axis.lines)
    one, other = (cohorts.plot_forecast(found, record=twin.record) for _ in range(2))
    for name, drawn in (("a", one), ("b", other)):
        drawn.savefig(tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    plain = cohorts.plot_forecast(cohorts.twin(lines_of_one(), record(), predict, seed=1), [5.0, 6.0])
    assert plain.axes[0].get_ylabel() == "y"
    group = twins.twin_cohort(MODEL, KIDNEY, [AFTER], seed=1)
    with pytest.raises(cohorts.PopulationError, match="got several patients"):
        cohorts.plot_forecast(group.forecast([30.0]))
    with pytest.raises(cohorts.PopulationError, match="wanted limits by name"):
        cohorts.plot_forecast(found, target={"effect": (0.0, 1.0)})


def lines_of_one():
    return lines(shares={"levels": {"usual": 0.99, "high": 0.01}})


def test_a_twin_takes_changes_out_of_a_nonmem_table():
    import pandas as pd

    table = pd.DataFrame({"ID": 1, "TIME": [0.0, 6.0, 10.0, 14.0, 20.0, 26.0], "AMT": [400.0, 0, 0, 0, 0, 0],
                          "EVID": [1, 0, 2, 0, 2, 0], "DV": [0.0, 5.4, 0.0, 3.6, 0.0, 2.9], "CMT": 1,
                          "crcl": [120.0, 120.0, 60.0, 60.0, 20.0, 20.0], "age": 70.0})  # fmt: skip
    (found,) = twins.records(engine.read_nonmem(table), MODEL)
    assert found.covariates["crcl"].at(12.0) == 60.0
    assert found.covariates["age"] == 70.0
    wanted, got = (twins.twin(MODEL, KIDNEY, r, seed=1).summary()["mean"] for r in (AFTER, found))
    np.testing.assert_allclose(got, wanted)


def test_the_command_says_the_classes_and_what_changed():
    from trials.commands.twin import _data, _parameters

    said = _parameters(cohorts.twin(lines(), record(), predict, seed=1))
    assert said.splitlines()[-1].startswith("kind: usual 0.6")
    assert _data(AFTER).endswith("crcl 120 at 0, 60 at 10, 20 at 20")


def test_a_change_before_the_first_dose_is_one():
    """The record begins under the first value, which a model with a turnover of its own would show."""
    late = {"time": [15.0], "amt": [400.0], "cmt": ["central"]}
    early = PatientRecord({"time": [20.0], "dv": [8.0]}, late, {"crcl": {"time": [0.0, 10.0], "value": [120.0, 60.0]}})
    twin = twins.twin(MODEL, KIDNEY, early, seed=1)
    prepared = twin.group.problem.solve
    order = np.argsort(prepared.records.time, kind="stable")
    assert prepared.records.time[order].tolist() == [0.0, 10.0, 15.0, 20.0]
    assert prepared.period[order].tolist() == [0, 1, 1, 1]
