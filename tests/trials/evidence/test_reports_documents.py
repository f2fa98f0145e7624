"""Documents of a package: every number is the run's, every table has its source, nothing is said that nobody said."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from tests.trials.evidence.test_answers import complete, written
from tests.trials.trust.packages import run_folder
from trials.evidence.answers import read
from trials.evidence.credibility import COMPUTED, assess
from trials.evidence.criteria import judged
from trials.evidence.factors import CATEGORIES, FACTORS
from trials.evidence.reports import write
from trials.evidence.reports.document import Bullets, Document, Figure, Grid, Paragraph
from trials.evidence.reports.flow import Captioned, flow, headings
from trials.evidence.reports.lock import start, verdict
from trials.evidence.reports.naming import NAMES, asked, characteristic, method, spaced
from trials.evidence.reports.parts import DOCUMENTS, write_assessment, write_documents
from trials.evidence.study import open_study
from trials.evidence.verifying import exact_solutions, installed, library_solutions, refined, repeated
from trials.report_tables import with_error


@pytest.fixture(scope="module")
def study():
    return open_study(run_folder())


@pytest.fixture(scope="module")
def draft(study):
    return read(study.trial.name, draft=True, trial=study.trial)


@pytest.fixture(scope="module")
def answers(study, tmp_path_factory):
    return read(written(tmp_path_factory.mktemp("answers"), complete()), trial=study.trial)


@pytest.fixture(scope="module")
def documents(study, answers):
    return {name: make(study, answers) for name, (make, _) in DOCUMENTS.items()}


def text(document: Document) -> str:
    """All its words."""
    parts = [document.title, document.subtitle, *(word for pair in document.about for word in pair)]
    for item in flow(document):
        match item:
            case Paragraph(words):
                parts.append(words)
            case Bullets(items):
                parts += items
            case Captioned(_, Grid() as grid):
                parts += [grid.caption, *grid.head, *(cell for row in grid.rows for cell in row)]
            case Captioned(_, Figure() as figure):
                parts.append(figure.caption)
    return "\n".join(parts)


def tables(document):
    return [item.block for item in flow(document) if isinstance(item, Captioned) and isinstance(item.block, Grid)]


def test_there_are_all_documents(documents):
    assert set(documents) == {
        "cover-letter", "summary", "sap", "map", "mar", "simulation-report", "credibility-report", "iq-oq-pq",
    }  # fmt: skip
    assert all(name == document.name for name, document in documents.items())


def test_complete_answers_leave_no_gap_and_no_draft(documents):
    for document in documents.values():
        assert not document.draft
        assert "not given" not in text(document)
        assert "What is missing" not in [heading.title for heading in headings(document)]
        assert dict(document.about)["Reviewer"] == "R. Eviewer, Example"
        assert document.date


def test_a_draft_says_what_is_missing_and_invents_nothing(study, draft):
    for make, _ in DOCUMENTS.values():
        document = make(study, draft)
        assert document.draft
        assert "**not given**" in text(document)
        if document.name != "cover-letter":
            assert headings(document)[-1].title == "What is missing"
            assert all(f"`{name}`" in text(document) for name in draft.missing)
    assert "There were none" not in text(DOCUMENTS["mar"][0](study, draft))


def test_numbers_are_those_of_the_characteristics(study, documents):
    stored = json.loads((study.run / "characteristics.json").read_text())
    decisions = next(table for table in tables(documents["simulation-report"]) if table.caption.startswith("Decisions"))
    shown = {(row[0].strip("`"), row[1].strip("`"), row[2]): row[3] for row in decisions.rows}
    wanted = {
        (scenario, analysis, characteristic(name)): with_error(names[name]["value"], names[name]["mcse"])
        for scenario, analyses in stored.items()
        for analysis, names in analyses.items()
        for name in ("power", "type_1_error")
        if name in names
    }
    assert shown == wanted
    everything = tables(documents["simulation-report"])[-1]
    assert len(everything.rows) == sum(len(names) for by in stored.values() for names in by.values())


def test_every_result_stands_beside_its_error_and_source(documents):
    for name in ("summary", "mar", "simulation-report", "credibility-report"):
        for table in tables(documents[name]):
            if any("MCSE" in head for head in table.head):
                assert table.trace is not None, table.caption
                assert table.trace.data
                assert table.trace.method
                assert table.trace.code
        figures = [item.block for item in flow(documents[name]) if isinstance(item, Captioned)]
        assert all(one.trace is not None and one.alt for one in figures if isinstance(one, Figure))


def test_criteria_are_judged_alike_everywhere(study, answers, documents):
    met = [judged(one, study.characteristics).met for one in answers.criteria]
    for name in ("summary", "mar", "simulation-report", "credibility-report"):
        found = next(one for one in tables(documents[name]) if one.caption.startswith("Technical criteria and what"))
        assert [row[-1] == "**met**" for row in found.rows] == met
    assert f"{sum(met)} of {len(met)} technical criteria are met" in text(documents["cover-letter"])


def test_assessment_table_has_the_elements_of_m15(documents):
    for name in ("summary", "mar"):
        table = next(one for one in tables(documents[name]) if "appendix 1" in one.caption)
        numbers = re.findall(r"\((2\.\d\.\d)\)", " ".join(row[0] for row in table.rows))
        assert numbers == ["2.1.1", "2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2.1", "2.2.2", "2.2.3", "2.2.4"]


def test_report_has_the_sections_of_m15(documents):
    top = [heading.title for heading in headings(documents["mar"]) if heading.level == 1]
    assert top == ["Executive summary", "Introduction", "Objectives", "Data and methods", "Results", "Discussion",
                   "Conclusions", "Appendices"]  # fmt: skip


def test_credibility_report_has_13_factors_and_8_categories(study, answers, documents):
    report = text(documents["credibility-report"])
    assert all(factor.title in report for factor in FACTORS.values())
    assert all(title in report for title in CATEGORIES.values())
    found = {one.name: one for one in assess(study, answers)}
    assert list(found) == list(FACTORS)
    assert all(found[name].reached in FACTORS[name].scale for name in COMPUTED)
    assert found["discretization_error"].reached == "c"  # linear equations, solved exactly
    assert found["test_samples"].reached == "a"  # this run was not fitted
    assert found["test_samples"].gap == 2
    assert found["input_equivalency"].gap == 1


def test_plan_is_locked_by_the_log(study, answers):
    noted = start(study).new
    assert noted["plan"] == answers.plan
    assert "The answers are the ones that were noted" in verdict(study, answers, noted)
    changed = dataclasses.replace(answers, plan="0" * 64)
    assert "changed after the run started" in verdict(study, changed, noted)
    assert "cannot be shown" in verdict(study, answers, {"config": noted["config"]})
    assert "**is another**" in verdict(study, answers, {"config": "0" * 64})


def test_fewer_trials_than_planned_are_said(documents):
    assert "fewer than planned" in text(documents["simulation-report"])


def test_what_is_verified_passes(study):
    assert all(one.passed for one in exact_solutions(study))
    assert len(library_solutions()) >= 10
    assert all(one.passed for one in library_solutions())
    assert refined(study) == ()
    assert all(one.same for one in repeated(study))
    assert len(repeated(study)) >= 2
    assert all(at_run == there for _, at_run, there in installed(study))


def test_a_changed_outcome_is_found(study, monkeypatch):
    from trials.evidence import verifying

    again = open_study(study.run)
    stored = again.outcomes.copy(deep=True)
    stored["estimate"][:] += 1e-12
    monkeypatch.setitem(again.__dict__, "_results", (stored, again.truth))
    assert not any(one.same for one in verifying.repeated(again))


def test_documents_are_written_where_the_package_wants_them(study, answers, tmp_path):
    write_documents(study, answers, tmp_path)
    write_assessment(study, answers, tmp_path)
    for path in ("m1/cover-letter.pdf", "m2/summary.pdf", "m5/sap.pdf", "m5/map.pdf", "m5/reports/mar.docx",
                 "m5/reports/mar.html", "m5/reports/simulation-report.pdf", "validation/iq-oq-pq.pdf"):  # fmt: skip
        assert (tmp_path / path).stat().st_size > 1000
    table = json.loads((tmp_path / "model" / "assessment-table.json").read_text())
    assert table["question"] == answers.question
    assert [one["name"] for one in table["criteria"]] == [one.name for one in answers.criteria]
    factors = json.loads((tmp_path / "model" / "credibility.json").read_text())["factors"]
    assert len(factors) == 13


def test_documents_of_one_run_are_the_same_each_time(study, answers, documents):
    again = open_study(study.run)
    assert {name: make(again, answers) for name, (make, _) in DOCUMENTS.items()} == documents


def test_a_draft_of_the_untouched_template_says_not_given_and_judges_nothing(study, tmp_path):
    template = Path(__file__).parents[3] / "conf" / "evidence" / "template.yaml"
    blank = read(template, draft=True, trial=study.trial)
    assert len(blank.missing) > 90
    for name, (make, _) in DOCUMENTS.items():
        words = text(make(study, blank))
        assert "**not given**" in words, name
        assert "0 of 0" not in words, name
        assert "criterion is met" not in words, name
    write_assessment(study, blank, tmp_path)
    assert json.loads((tmp_path / "model" / "assessment-table.json").read_text())["criteria"] == []
    assert write(make(study, blank), tmp_path)


# ---- words for readers
def test_characteristics_have_the_names_of_the_field(documents):
    everything = tables(documents["simulation-report"])[-1]
    names = {row[2] for row in everything.rows}
    assert {"type I error", "mean squared error", "SD of the estimates"} <= names
    assert not any("_" in name for name in names)
    assert characteristic("power: week26") == "power: week26"
    assert characteristic("some_other") == "some other"
    assert all("_" not in words for words in NAMES.values())


def test_what_is_missing_is_said_in_words(draft):
    assert asked("people[2].name", draft) == "name of the reviewer"
    assert asked("verdict.date", draft) == "day of the reviewer's conclusion"
    assert asked("risk.why", draft) == "risk: why"


def test_methods_are_told_without_markup():
    from trials.analyses.ancova import Ancova
    from trials.analyses.crossover_anova import AverageBioequivalence
    from trials.policies import InrTitration

    assert spaced("AverageBioequivalence") == "Average bioequivalence"
    assert spaced("NCA") == "NCA"
    assert method(Ancova)[0].endswith("`endpoint ~ arm + covariates` with one residual variance.")
    assert len(method(AverageBioequivalence)) == 3
    assert not any("Attributes" in paragraph or ":mod:" in paragraph for paragraph in method(InrTitration))


def test_analyses_of_the_plan_say_effect_interval_and_method(documents):
    plan = text(documents["sap"])
    assert "it estimates the ratio of geometric means with an interval of 90 %" in plan
    assert "Schuirmann" in plan
    assert "values below 0.1 mg/L are recorded as 0" in plan
    assert "= –" not in plan


def test_results_have_effect_unit_and_level(documents):
    report = tables(documents["simulation-report"])
    example = next(table for table in report if table.caption.startswith("What example 1 found"))
    assert all(row[1] == "ratio of geometric means" for row in example.rows)
    assert all(row[3].endswith("(90 %)") for row in example.rows)
    effects = next(table for table in report if table.caption.startswith("True and estimated"))
    assert {row[2] for row in effects.rows} == {"ratio of geometric means"}


def test_answer_shows_shares_with_intervals_that_have_width(study, documents):
    shown = tables(documents["summary"])[0]
    stored = study.characteristics
    for row in shown.rows:
        for name, cell in zip(shown.head[2:], row[2:], strict=True):
            found = stored[row[0].strip("`")][name]
            error = "type_1_error" in found
            value, low, high = map(float, re.findall(r"\d\.\d{3}", cell))
            assert value == pytest.approx(found["type_1_error" if error else "power"]["value"], abs=5e-4)
            assert low <= value <= high
            assert low < high
            assert cell.startswith("**α**") == error


def test_numbers_found_elsewhere_say_their_unit():
    said = {one.what for one in library_solutions()}
    assert {"concentration at 168 h (mg/L)", "AUC of concentration (mg/L·h)"} <= said
    assert any(words.startswith("time of the largest concentration") for words in said)
