"""The report: self-contained, escaped, and showing the result's own numbers with their errors."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import cohorts
from trials import report, report_posterior, report_tables
from trials.report_tables import plain, quantity_text, settings, with_error

VOID = {"meta", "img", "br", "mspace"}


class Page(HTMLParser):
    """Tags, text and tables of a page; refuses one whose tags are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.sources, self.rows = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        assert not attrs or tag == "mspace"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(synthetic, tmp_path_factory):
    return report.write(synthetic, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def test_needs_nothing_else(written, page):
    assert written.name == "report.html"
    for source in page.sources:
        assert source.startswith(("data:image/svg+xml;base64,", "#")), source
    text = written.read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:|@import|url\(""", text)


def test_pictures_are_those_in_the_folder(written, page):
    shown = [source for source in page.sources if source.startswith("data:")]
    files = sorted((written.parent / "figures").glob("*.svg"))
    assert len(shown) == len(files) >= 3
    assert {base64.b64decode(source.partition(",")[2]) for source in shown} == {path.read_bytes() for path in files}


def test_says_first_that_it_is_simulated(page):
    assert page.text.index("SIMULATED DATA: virtual subjects") < page.text.index("Question")


def test_text_of_configurations_is_escaped(written, page):
    text = written.read_text(encoding="utf-8")
    assert "<trial>" not in text
    assert "A made-up &lt;trial&gt; &amp; its report" in text
    assert "<not & published>" in page.text


def test_question_limits_design_and_sources_are_there(page, synthetic):
    trial = synthetic.trial
    for words in (trial.question, trial.limits, trial.protocol.model.reference, trial.protocol.population.reference):
        assert " ".join(words.split()) in page.text
    for row in trial.protocol.population.coefficients:
        assert any(cells[0] == row.name for cells in page.rows if cells)
    for scenario in trial.scenarios:
        assert [scenario.name, scenario.description] in [cells[:2] for cells in page.rows]


def test_every_characteristic_stands_beside_its_error(page, synthetic_characteristics):
    rows = {tuple(cells[:3]): cells[3:] for cells in page.rows if len(cells) == 6}
    for scenario, by in synthetic_characteristics.items():
        for analysis, names in by.items():
            for name, entry in names.items():
                shown = rows[scenario, analysis, name.replace("_", " ")]
                assert shown == [plain(entry["value"], 6), plain(entry["mcse"], 3), str(entry["replicates"])]


def test_shares_of_the_answer(page, synthetic, synthetic_characteristics):
    first = synthetic.trial.protocol.analyses[0].name
    for name, entry in ((n, by[first]) for n, by in synthetic_characteristics.items()):
        kind = "power" if "power" in entry else "type_1_error"
        cells = next(cells for cells in page.rows if cells and cells[0] == name)
        assert cells[2].startswith(with_error(entry[kind]["value"], entry[kind]["mcse"]))
        assert cells[2].endswith("power" if kind == "power" else "type I error")


def test_effects_of_ratios_are_shown_as_ratios(synthetic, synthetic_characteristics):
    scale = synthetic.trial.protocol.analyses[0].scale
    scales = {analysis.name: scale for analysis in synthetic.trial.protocol.analyses}
    table = report_tables.effects(synthetic_characteristics, scales)
    truth = synthetic_characteristics["gmr_125"][synthetic.trial.protocol.analyses[0].name]["truth"]["value"]
    shown = next(row for row in table.rows if row[0] == "gmr_125")[2]
    expected = np.exp(truth) if scale == "log-ratio" else truth
    assert float(shown.split()[0].replace("\N{MINUS SIGN}", "-")) == pytest.approx(expected, rel=1e-3)


def test_published_value_has_both_uncertainties(page, synthetic):
    entry = synthetic.trial.published[0]
    values = synthetic.arms["mean"].sel(scenario=entry.scenario, endpoint=entry.endpoint, arm=entry.arm).values
    cells = next(cells for cells in page.rows if cells and cells[0].startswith("KNOWN"))
    assert cells[2] == "40 (95 % CI 35 to 45)"
    assert cells[4] == with_error(values.mean(), values.std(ddof=1) / np.sqrt(values.size))
    low, high = np.quantile(values, [0.025, 0.975])
    assert cells[5] == f"{plain(low, 3)}\u00a0to\u00a0{plain(high, 3)}"
    assert cells[6] == ("yes" if low <= 40 <= high else "no")


def test_published_contrast_is_compared_with_the_estimates(synthetic):
    analysis = synthetic.trial.protocol.analyses[0]
    entry = replace(synthetic.trial.published[0], arm=None, endpoint=None, analysis=analysis.name, lower=None)
    made = replace(synthetic, trial=replace(synthetic.trial, published=(entry,)))
    found = synthetic.outcomes["estimate"].sel(scenario=entry.scenario, analysis=analysis.name).values
    mean = np.exp(found).mean() if analysis.scale == "log-ratio" else found.mean()
    row = report_tables.published(made).rows[0]
    assert float(row[4].split()[0].replace("\N{MINUS SIGN}", "-")) == pytest.approx(mean, abs=0.05)
    assert row[2] == "40"


@pytest.fixture(scope="module")
def calibration(calibrated, tmp_path_factory):
    return Page(report.write(calibrated, tmp_path_factory.mktemp("run")).read_text(encoding="utf-8"))


def test_posterior_stands_with_its_diagnostics(calibration, calibrated):
    table = cohorts.diagnose(calibrated.posterior)
    rows = {cells[0]: cells for cells in calibration.rows if len(cells) == 8}
    for name, row in table.iterrows():
        cells = rows[name]
        assert cells[2] == with_error(row["mean"], row["mcse_mean"])
        assert cells[3] == plain(row["sd"], 3)
        assert cells[5:] == [f"{row['rhat']:.4f}", f"{row['ess_bulk']:.0f}", f"{row['ess_tail']:.0f}"]


def test_verdict_of_the_sampler(calibration, calibrated):
    assert "Did the sampler converge? yes" in calibration.text
    assert ["Largest R-hat", "1.0023", "< 1.01", "yes"] in calibration.rows
    posterior = calibrated.posterior.copy()
    posterior.attrs = {
        **posterior.attrs,
        "divergences": 7,
        "failed": '{"divergences": "7"}',
        "allowed": '["divergences"]',
    }
    section = report_posterior.section(replace(calibrated, posterior=posterior))
    assert not section.ok
    assert section.verdict.rows[2] == ("Divergent transitions", "7", "at most 0", "no, allowed by the configuration")


def test_fit_of_others_stands_beside_ours(calibration, calibrated):
    row = cohorts.diagnose(calibrated.posterior).loc["cl_pop"]
    apart = plain((row["mean"] - 2.9) / 0.2, 2)
    assert ["cl_pop", f"{plain(row['mean'])} ({plain(row['sd'], 3)})", "2.9 (0.2)", apart, "THEIRS"] in calibration.rows


def test_data_behind_the_posterior(calibration):
    for row in (["Licence", "<none>"], ["Left out", "TIME = 0: Before the dose."], ["Fit", "made for this run"]):
        assert row in calibration.rows


def test_failures_are_counted(synthetic):
    failed = synthetic.outcomes["failed"].copy()
    failed[0, :3, 0] = True
    table = report_tables.failures(synthetic.outcomes.assign(failed=failed), synthetic.manifest["failures"])
    first = synthetic.trial.protocol.analyses[0].name
    assert f"{first} 3" in table.rows[0][2]
    assert table.rows[0][4] == "diverged 2"


def test_how_to_reproduce(page, synthetic):
    for digest in synthetic.manifest["digests"].values():
        assert digest in page.text
    assert "config.yaml" in page.text
    assert "Commit abc, with uncommitted changes." in page.text
    assert ["Seed", "3"] in page.rows


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.91234, 0.0089, "0.9123 ±\u00a00.0089"),
        (-1234.5, 56.0, "\N{MINUS SIGN}1234 ±\u00a056"),
        (0.05, 0.0, "0.05 ±\u00a00"),
        (-0.001, 1.2, "0.0 ±\u00a01.2"),
        (0.95, 1e-17, "0.95 ±\u00a00"),
        (0.5, None, "0.5"),
        (None, None, "–"),
        (float("nan"), 0.1, "–"),
        (3e-5, 1.2e-7, "0.00003000 ±\u00a00.00000012"),
    ],
)
def test_two_digits_of_the_error(value, error, shown):
    assert with_error(value, error) == shown


def test_settings_show_every_field(synthetic):
    text = settings(synthetic.trial.protocol.analyses[0], leave=("name",))
    assert "alpha = 0.05" in text
    assert "name =" not in text


def test_quantities_in_words(synthetic):
    weight = synthetic.trial.protocol.population.covariates[0].distributions[0]
    assert quantity_text(weight) == "normal, mean 70, sd 12, above 40"
    assert plain((("a", "b"), ("b", "a"))) == "(a, b), (b, a)"
    assert plain(()) == "–"


def test_numbers_whose_uncertainty_is_set_aside_are_shown_as_they_are_used(synthetic):
    protocol = replace(synthetic.trial.protocol, uncertainty=False)
    values = {row[0]: row[3] for row in report_tables.coefficients(protocol).rows}
    assert values["cl_pop"] == "2.8"
    made = replace(synthetic, trial=replace(synthetic.trial, protocol=protocol))
    assert "drawn only where a scenario sets it" in " ".join(Page(report.render(made, {})).text.split())
