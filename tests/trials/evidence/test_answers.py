"""Answers of people: what is missing is listed at once, what is wrong is refused, criteria are judged by numbers."""

import math
from pathlib import Path

import pytest
import yaml

from trials.compose import load
from trials.errors import TrialError
from trials.evidence.answers import PLANNED, plan_digest, read
from trials.evidence.asking import Notes, answered
from trials.evidence.checking import ROLES
from trials.evidence.criteria import SHARES, judged, limit
from trials.evidence.factors import ASKED, CATEGORIES, FACTORS

CONF = Path(__file__).parents[3] / "conf"
SHIPPED = sorted(path.stem for path in (CONF / "trial").glob("*.yaml"))
ONLY_PEOPLE_KNOW = {
    *(f"people[{n}].{field}" for n in range(4) for field in ("name", "organisation")),
    "sponsor", "protocol.number", "protocol.version", "deviations",
    "verdict.adequate", "verdict.statement", "verdict.date",
}  # fmt: skip


def content(name="theophylline_bioequivalence"):
    return yaml.safe_load((CONF / "evidence" / f"{name}.yaml").read_text(encoding="utf-8"))


def complete(name="theophylline_bioequivalence", **more):
    """The shipped answers with what only a person can give."""
    names = zip(ROLES, ("D. Esigner", "S. Tatistician", "R. Eviewer", "L. Releaser"), strict=True)
    people = [{"name": name, "organisation": "Example", "roles": [role]} for role, name in names]
    given = {"people": people, "sponsor": "Example", "protocol": {"number": "EX-1", "version": "1.0"}, "deviations": []}
    verdict = {"adequate": True, "statement": "Adequate for planning.", "date": "2026-11-21"}
    return content(name) | given | {"verdict": verdict} | more


def written(folder, answers):
    path = folder / "answers.yaml"
    path.write_text(yaml.safe_dump(answers, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_answers_lack_only_what_a_person_knows(name):
    answers = read(name, draft=True, trial=load(name))
    assert set(answers.missing) == ONLY_PEOPLE_KNOW
    assert answers.draft
    assert answers.trial == name
    assert " ".join(answers.question.split()) == answers.question == load(name).question


def test_everything_missing_is_listed_in_one_error():
    with pytest.raises(TrialError) as caught:
        read("theophylline_bioequivalence")
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert set(lines[1:-1]) == ONLY_PEOPLE_KNOW
    assert f"lacks {len(ONLY_PEOPLE_KNOW)} answers" in lines[0]
    assert "--draft" in lines[-1]


def test_complete_answers_are_no_draft(tmp_path):
    answers = read(written(tmp_path, complete()), trial=load("theophylline_bioequivalence"))
    assert not answers.draft
    assert [person.name for person in answers.named("reviewer")] == ["R. Eviewer"]
    assert [person.name for person in answers.signers.people] == [person.name for person in answers.people]
    assert answers.deviations == ()
    assert answers.verdict.adequate is True


def test_template_asks_for_every_field():
    with pytest.raises(TrialError) as caught:
        read("template")
    said = str(caught.value)
    for name in content("theophylline_bioequivalence"):
        if name not in ("source_data", "domains"):
            assert f"\n  {name}" in said, name
    assert "wrong answers" not in said


WRONG = {
    "a field that is not known": ({"qestion": "x"}, "qestion: is not known; did you mean 'question'"),
    "a level that is none": ({"risk": {"level": "huge", "why": "x"}}, "risk.level: got 'huge', wanted one of low"),
    "text where a list is wanted": ({"deviations": "none"}, "deviations: got 'none', wanted a list"),
    "a number where text is wanted": ({"sponsor": 7}, "sponsor: got 7, wanted text"),
    "text for a number": ({"replicates": {"at_least": "many", "why": "x"}}, "at_least: got 'many', wanted a number"),
    "a day that is none": (
        {"verdict": {"adequate": True, "statement": "x", "date": "yesterday"}}, "verdict.date: got 'yesterday'"),
    "a word for yes or no": (
        {"verdict": {"adequate": "sure", "statement": "x", "date": "2026-01-01"}}, "verdict.adequate: got 'sure'"),
    "a factor that is none": ({"factors": {"luck": {"goal": "a", "why": "x"}}}, "factors.luck: is not known"),
    "a scenario the trial lacks": ({"scenarios": {"gmr_2": "why"}}, "scenarios.gmr_2: got 'gmr_2', wanted one of gmr"),
    "another trial": ({"trial": "warfarin_titration"}, "trial: got 'warfarin_titration', wanted theophylline"),
    "a measurement that is none": ({"domains": {"urine": {"domain": "LB"}}}, "domains.urine: got 'urine'"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_also_of_a_draft(tmp_path, what):
    change, said = WRONG[what]
    with pytest.raises(TrialError) as caught:
        read(written(tmp_path, complete() | change), draft=True, trial=load("theophylline_bioequivalence"))
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    spoilt = complete() | {"sponsor": 7, "risk": {"level": "huge", "why": "x"}}
    with pytest.raises(TrialError, match="2 wrong answers"):
        read(written(tmp_path, spoilt))


def test_a_level_the_program_finds_is_not_asked_for(tmp_path):
    answers = complete()
    answers["factors"]["solver_error"] |= {"reached": "c", "evidence": "we believe so"}
    with pytest.raises(TrialError, match=r"factors.solver_error: what was reached is found by the program"):
        read(written(tmp_path, answers))


def test_nobody_reviews_their_own_work(tmp_path):
    answers = complete()
    own = {"name": "One", "organisation": "E", "roles": ["designer", "reviewer"]}
    answers["people"] = [own, answers["people"][1], answers["people"][3]]
    with pytest.raises(TrialError, match="nobody reviews their own work"):
        read(written(tmp_path, answers))


def test_a_role_without_anybody_is_missing(tmp_path):
    answers = complete()
    answers["people"] = answers["people"][:3]
    with pytest.raises(TrialError, match="people: a releaser"):
        read(written(tmp_path, answers))


def test_plan_is_what_stands_before_a_run(tmp_path):
    before, after = content(), complete()
    assert plan_digest("theophylline_bioequivalence") == read(written(tmp_path, after)).plan
    assert read(written(tmp_path, after)).digest != read("theophylline_bioequivalence", draft=True).digest
    changed = complete() | {"question": f"{before['question']} Or not?"}
    assert read(written(tmp_path, changed)).plan != plan_digest("theophylline_bioequivalence")
    assert plan_digest("no_such_trial") is None
    assert "criteria" in PLANNED
    assert "verdict" not in PLANNED


def test_no_file_is_said_with_what_to_do():
    with pytest.raises(TrialError, match=r"copy conf/evidence/template.yaml"):
        read("no_such_trial")


# ---- criteria
def criterion(**more):
    base = {"name": "it", "statement": "s", "scenario": "s", "analysis": "a", "characteristic": "power", "why": "w"}
    from trials.evidence.answers import Criterion

    return Criterion(**base | more)


def found(value, mcse, replicates=400, name="power"):
    return {"s": {"a": {name: {"value": value, "mcse": mcse, "replicates": replicates}}}}


def test_a_share_is_judged_by_the_error_at_the_limit():
    size = criterion(characteristic="type_1_error", at_most=0.05, allow_mcse=3)
    error = math.sqrt(0.05 * 0.95 / 400)
    just = judged(size, found(0.05 + 2.99 * error, 0.5, name="type_1_error"))
    beyond = judged(size, found(0.05 + 3.01 * error, 0.5, name="type_1_error"))
    assert just.met
    assert not beyond.met
    assert beyond.margin == pytest.approx(-3.01)
    assert judged(size, found(0.0, 0.0, name="type_1_error")).margin == pytest.approx(0.05 / error)


def test_other_numbers_are_judged_by_their_own_error():
    bias = criterion(characteristic="bias", at_least=-0.1, at_most=0.1, allow_mcse=2)
    assert judged(bias, found(0.13, 0.02, name="bias")).met
    assert not judged(bias, found(0.15, 0.02, name="bias")).met
    near = judged(bias, found(0.08, 0.02, name="bias"))
    assert near.margin == pytest.approx(1.0)
    assert near.clear  # three errors inside of what is just allowed
    beyond = judged(bias, found(0.11, 0.02, name="bias"))
    assert beyond.met
    assert not beyond.clear
    assert not judged(criterion(characteristic="bias", at_most=0.1), found(0.08, 0.02, name="bias")).clear
    assert judged(bias, found(0.0, 0.0, name="bias")).margin == math.inf


def test_limits_without_allowance_are_strict():
    assert limit(criterion(at_least=-0.5)) == "at least \N{MINUS SIGN}0.5"
    assert judged(criterion(at_least=0.8), found(0.8, 0.02)).met
    assert not judged(criterion(at_least=0.8), found(0.7999, 0.02)).met
    assert limit(criterion(at_least=0.8, at_most=0.9, allow_mcse=3)) == "at least 0.8 and at most 0.9, allowing 3 MCSE"


def test_a_number_the_run_lacks_is_refused():
    with pytest.raises(TrialError, match=r"criteria\.it: s, a has no coverage; it has power"):
        judged(criterion(characteristic="coverage", at_least=0.9), found(0.8, 0.02))


def test_shares_are_characteristics():
    assert {"power", "type_1_error", "coverage"} <= set(SHARES)


# ---- scales
def test_factors_and_categories_are_the_standards():
    assert len(FACTORS) == 13
    assert len(CATEGORIES) == 8
    assert set(ASKED) < set(CATEGORIES)
    assert all(list(factor.scale) == list("abcd")[: len(factor.scale)] for factor in FACTORS.values())


def test_null_is_missing_and_defaults_are_not():
    from trials.evidence.answers import Person

    notes = Notes()
    made = answered(Person, {"name": None, "organisation": "E", "roles": ["designer"]}, notes, "people[0]")
    assert notes.missing == ["people[0].name"]
    assert notes.wrong == []
    assert made.key is None
