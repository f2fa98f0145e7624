"""The story of a virtual patient is that of the data: of the run's example, and of the engine given the told doses."""

import html
import re

import numpy as np
import pytest

import engine
import trials
from trials.block import Work, simulate
from trials.cli import main
from trials.conduct import noise
from trials.conduct.doses import doses
from trials.errors import TrialError
from trials.storytelling import eventful, tell

SMALL = ["tracking=none", "cluster=serial", "truth.draws=4", "truth.patients=8", "store.cohort=0"]
DIABETES = [*SMALL, "replicates=3", "design.n=40", "measurements.hba1c.missed=0.1"]
STOPS = "+intercurrent={tired: {stops: true, cause: {_target_: trials.conduct.causes.hazard.Hazard, rate: 0.001}}}"
WARFARIN = ["design.n=12", "+adherence=binomial", "adherence.probability=0.7", STOPS]
VISIT = re.compile(r"^ +(\S+)  hba1c: (visit missed|\S+ percent) \((\S+)\)$", re.M)


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return trials.run(trials.load("diabetes_hba1c", [*DIABETES, f"runs={folder}"]), seed=7)


def numbers(text):
    return [float("nan") if word == "missing" else float(word) for word in re.findall(r"(\S+) at", text)]


@pytest.mark.parametrize("scenario", ["as_published", "many_stop"])
def test_numbers_of_the_story_are_those_of_the_data(diabetes, scenario):
    example, seen = diabetes.example.sel(scenario=scenario), set()
    for subject in range(40):
        one, story = example.isel(subject=subject, period=0), tell(diabetes, subject=subject, scenario=scenario)
        arm = example.attrs.get("arms", example["arm"].attrs["arms"])[int(one["arm"])]
        assert f"Randomised to: {arm}.\n" in story
        left, times = float(one["discontinued"]), one["time_hba1c"].values
        visits = VISIT.findall(story)
        np.testing.assert_allclose([float(time) for time, _, _ in visits], times[times <= left])
        told = [np.nan if said == "visit missed" else float(said.split()[0]) for _, said, _ in visits]
        np.testing.assert_allclose(told, one["observed_hba1c"].values[times <= left], rtol=6e-4)
        true = [float(each) for _, _, each in visits]
        np.testing.assert_allclose(true, one["true_hba1c"].values[times <= left], rtol=6e-4)
        changes = re.search(r"^  changes: (.*)$", story, re.M)[1]
        np.testing.assert_allclose(numbers(changes), one["endpoint_changes"].values, rtol=6e-4)
        for event in ("leaves", "stops", "rescue"):
            when = re.search(rf"^ +(\S+)  Intercurrent event {event}:", story, re.M)
            happened = float(one[f"ice_{event}"])
            assert (when is None) == np.isinf(happened)
            assert when is None or float(when[1]) == pytest.approx(happened, rel=6e-4)
            seen |= {event} if when else set()
        seen |= {"missed"} if "visit missed" in story else set()
    assert seen == {"leaves", "stops", "rescue", "missed"}, "the patients have all that can be told"


def test_estimand_leaves_out_what_came_after_an_event(diabetes):
    example = diabetes.example.sel(scenario="as_published")
    subject = int(np.flatnonzero(example["ice_rescue"] == 12)[0])
    story = tell(diabetes, subject=subject, scenario="as_published")
    made = numbers(re.search(r"^  hypothetical, of changes: (.*)$", story, re.M)[1])
    assert np.isnan(made[3:]).all()
    assert "rescue at 12, hypothetical: values after it are left out, and missing for the analysis" in story
    assert "rescue at 12, treatment policy: values after it count as they are" in story


def test_command_folder_result_and_trial_tell_the_same(diabetes, capsys):
    told = tell(diabetes, 2, subject=12, scenario="half_the_effect")
    assert tell(diabetes.folder, 2, subject=12, scenario="half_the_effect") == told
    assert tell(diabetes.trial, 2, subject=12, scenario="half_the_effect") == told
    words = ["tell", str(diabetes.folder), "--subject", "12", "--scenario", "half_the_effect", "--replicate", "2"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{told}\n"
    assert tell(diabetes, 0, subject=12) == trials.tell(diabetes, subject=12, scenario="as_published") != told


@pytest.mark.parametrize("arm", ["guided", "fixed"])
def test_told_doses_are_those_that_give_the_course(arm):
    protocol = trials.load("warfarin_titration", WARFARIN).scenarios[0].protocol
    work = Work("", protocol, range(1), 1, None)
    course, drawn = simulate(work), noise(protocol, 1, range(1), 12, 1)
    times, missed = np.asarray(protocol.measurements[0].times), 0
    stopped = course.events["tired"][0]
    assert 0 < np.isfinite(stopped).sum() < 12
    for subject in np.flatnonzero(course.arms[0, :, 0] == course.names.index(arm)):
        given = doses(protocol, course, drawn, int(subject))
        assert [one.time for one in given] == sorted(one.time for one in given)
        assert all(one.time < stopped[subject] for one in given)
        taken = engine.Regimen(*(engine.Dose(one.amount, one.into, at=one.time) for one in given if one.taken))
        one = course.patients.isel(replicate=0, subject=subject)
        parameters = {name: np.asarray([float(one[name])]) for name in protocol.model.parameter_names}
        again = engine.simulate_arrays(protocol.model, parameters, taken, times, before_dose=True)
        np.testing.assert_allclose(again.outputs["inr"][0], course.true["inr"][0, subject, 0], rtol=1e-5)
        missed += sum(not one.taken for one in given)
        if arm == "fixed":
            assert len(given) == (84 if np.isinf(stopped[subject]) else np.ceil(stopped[subject] / 24))
    assert missed > 0


def test_missed_doses_covariates_and_units_are_told():
    trial = trials.load("warfarin_titration", WARFARIN)
    story = tell(trial, subject=0)
    assert re.search(r"^Who: age [\d.]+ year, weight [\d.]+ kg, cyp2c9 \*\d/\*\d, vkorc1 [AG]{2}\.$", story, re.M)
    assert "dose into depot not taken" in story
    assert re.search(r"^ +0  (10 mg into depot|dose into depot not taken)", story, re.M)


def test_crossover_is_told_by_period():
    trial = trials.load("theophylline_bioequivalence", ["data=null"])
    story = tell(trial, subject=2)
    first, second = re.search(r"Randomised to: (\w+), then (\w+)\.", story).groups()
    lines = story.splitlines()
    begin, end = lines.index(f"         0  Period 1: {first}"), lines.index(f"       168  Period 2: {second}")
    assert begin < lines.index("         0  320 mg into depot") < end < lines.index("       168  320 mg into depot")
    assert re.search(r"^  auc: period 1: [\d.]+ h\*mg/L; period 2: [\d.]+ h\*mg/L$", story, re.M)


def test_patient_whom_an_early_stop_came_before_is_in_no_analysis():
    looks = ["design=group_sequential", "design.monitored=week26", "design.by=follow_up", "design.at=[240,300]"]
    looks += ["analyses.week26.alternative=less", "analyses.week26.alpha=0.025"]
    calendar = ["+enrolment=accrual", "enrolment.rates=[1]", "enrolment.process=regular", "~power_curve"]
    trial = trials.load("parkinson_delayed_start", [*looks, *calendar, "design.n=300"])
    first, last = (tell(trial, subject=subject) for subject in (0, 299))
    assert "Enrolled: 1 week after the opening of the trial." in first
    assert re.search(r"The trial ended at look 1, [\d.]+ week after its opening\.\nEndpoints", first)
    assert last.endswith("The patient had not been randomised by then, and is in no analysis.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"subject": 40}, "tell.subject: .*40.*0 to 39"),
        ({"subject": 0, "replicate": 3}, "tell.replicate: .*3.*0 to 2"),
        ({"subject": 0, "scenario": "nobody"}, "no scenario 'nobody'"),
    ],
)
def test_refusals(diabetes, given, words):
    with pytest.raises(TrialError, match=words):
        tell(diabetes, **given)


def test_trial_whose_population_is_fitted_wants_a_run():
    with pytest.raises(TrialError, match="fitted to data; wants a result or a run"):
        tell(trials.load("theophylline_bioequivalence"), subject=0)


def test_the_report_tells_of_a_patient_to_whom_something_happened(diabetes):
    page = html.unescape((diabetes.folder / "report.html").read_text(encoding="utf-8"))
    chosen = eventful(diabetes)
    story = tell(diabetes, subject=chosen)
    assert "One patient's story" in page
    assert story in page
    assert "Intercurrent event" in story
    example = diabetes.example.isel(scenario=0)
    counts = sum(np.isfinite(example[f"ice_{name}"].values).astype(int) for name in ("leaves", "stops", "rescue"))
    assert counts[chosen] == counts.max()
