"""Every document of a package, read back: its marks on every page of every format, its numbers in the run's data."""

import csv
import html
import io
import json
import math
import re
import zipfile

import pytest

from tests.trials.evidence.test_answers import complete, written
from tests.trials.evidence.test_reports_writing import shown
from tests.trials.trust.packages import run_folder
from trials import report_tables
from trials.evidence.answers import read
from trials.evidence.reports.content import CHARACTERISTICS, result
from trials.evidence.reports.document import Figure, Grid
from trials.evidence.reports.flow import SIMULATED, Captioned, flow
from trials.evidence.reports.parts import DOCUMENTS, write_documents
from trials.evidence.simulating import write_characteristics
from trials.evidence.study import open_study
from trials.operating import interval

MARK = SIMULATED.replace(" ", "")
NUMBER = r"\N{MINUS SIGN}?\d+(?:\.\d+)?(?:e[\N{MINUS SIGN}+-]?\d+)?"
PAIR = re.compile(rf"({NUMBER}) ±\s?({NUMBER})")


@pytest.fixture(scope="module")
def study():
    return open_study(run_folder())


@pytest.fixture(scope="module", params=["draft", pytest.param("complete", marks=pytest.mark.slow)])
def package(request, study, tmp_path_factory):
    """Folder of all documents, and whether they are drafts."""
    folder, draft = tmp_path_factory.mktemp("documents"), request.param == "draft"
    answers = read(study.trial.name if draft else written(folder, complete()), draft=draft, trial=study.trial)
    write_documents(study, answers, folder)
    return folder, draft


def squeezed(text):
    """A text without its spaces: where lines break is the format's own matter."""
    return re.sub(r"[\s\N{ZERO WIDTH SPACE}]", "", text)


def of_word(content):
    """Text of a DOCX file, paragraph by paragraph."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        body = found.read("word/document.xml").decode()
    paragraphs = re.findall(r"<w:p[ >].*?</w:p>", body, re.DOTALL)
    return "\n".join(html.unescape("".join(re.findall(r"<w:t[^>]*>([^<]*)</w:t>", one))) for one in paragraphs)


def of_page(text):
    """Text of an HTML page without its style, figures and equations."""
    bare = re.sub(r"<(style|svg|math)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "\n", bare))


def test_every_page_of_every_pdf_is_marked(package):
    folder, draft = package
    paths, count = sorted(folder.rglob("*.pdf")), 0
    assert len(paths) == len(DOCUMENTS)
    for path in paths:
        pages = shown(path.read_bytes())
        for number, page in enumerate(pages, 1):
            count += 1
            assert MARK in squeezed(page), (path.name, number)
            assert ("DRAFT" in page) == draft, (path.name, number)
            assert f"Page {number} of {len(pages)}" in page
    assert count >= 30


def test_every_page_of_word_and_browser_is_marked(package):
    folder, draft = package
    for path in sorted(folder.rglob("*.docx")):
        with zipfile.ZipFile(path) as found:
            body, settings = (found.read(f"word/{name}.xml").decode() for name in ("document", "settings"))
            headers = [found.read(name).decode() for name in found.namelist() if name.startswith("word/header")]
        assert body.count("<w:sectPr") == body.count('w:type="default"') // 2 == 1  # one head, one foot, for all pages
        assert "titlePg" not in body
        assert "evenAndOddHeaders" not in settings
        assert all(SIMULATED in head and ("DRAFT" in head) == draft for head in headers)
        assert headers
    for path in sorted(folder.rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        banner = page.partition('<div class="banner">')[2].partition("</div>")[0]
        assert SIMULATED in banner
        assert ("DRAFT" in banner) == draft
        printed = page.partition("@media print {")[2].partition("</style>")[0]
        head = re.search(r"\.banner \{([^}]*)\}", printed)[
            1
        ]  # a table's head: browsers repeat it on every printed page
        assert "display: table-header-group" in head
        assert "break-inside: avoid" in head


def test_three_formats_say_the_same_numbers(study, package):
    """Every cell, caption and source of every table and figure is in the PDF, the HTML and the DOCX."""
    folder, draft = package
    answers = read(study.trial.name if draft else folder / "answers.yaml", draft=draft, trial=study.trial)
    cells = 0
    for name, (make, place) in DOCUMENTS.items():
        base = folder / place / name
        pdf = squeezed("".join(shown(base.with_suffix(".pdf").read_bytes())))
        page = squeezed(of_page(base.with_suffix(".html").read_text(encoding="utf-8")))
        word = squeezed(of_word(base.with_suffix(".docx").read_bytes()))
        for item in flow(make(study, answers)):
            if not isinstance(item, Captioned):
                continue
            said = [item.block.caption]
            if isinstance(item.block, Grid):
                said += [*item.block.head, *(cell for row in item.block.rows for cell in row)]
            for text in said:
                wanted = squeezed(text.replace("**", "").replace("`", ""))
                cells += bool(re.search(r"\d", wanted))
                assert wanted in page, (name, text)
                assert wanted in word, (name, text)
                if isinstance(item.block, Figure) or len(wanted) < 60:  # longer ones may lie on two pages
                    assert wanted in pdf, (name, text)
    assert cells > 500


def stored(study, folder):
    """Rows of the file of characteristics by scenario and analysis: name, value, error, trials."""
    write_characteristics(study, None, folder)
    found = {}
    with (folder / CHARACTERISTICS).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            numbers = (float(row[key]) if row[key] else math.nan for key in ("value", "mcse", "replicates"))
            found.setdefault((row["scenario"], row["analysis"]), []).append((row["characteristic"], *numbers))
    return found


def test_every_value_with_an_error_is_in_the_data(study, package, tmp_path):
    """Numbers as they stand in PDF and DOCX, found in the file that their source line names."""
    folder, _ = package
    rows = [row for by in stored(study, tmp_path).values() for row in by]
    known = {report_tables.with_error(value, error) for _, value, error, _ in rows}
    known |= {
        report_tables.with_error(math.exp(v), math.exp(v) * e) for n, v, e, _ in rows if n in ("truth", "estimate")
    }
    published = report_tables.published(result(study)).rows
    known |= {row[4] for row in published}
    pairs = {tuple(re.split(r"\s?±\s?", text)) for text in known}
    count = 0
    for path in (*folder.rglob("*.pdf"), *folder.rglob("*.docx")):
        content = path.read_bytes()
        text = "".join(shown(content, "\n")) if path.suffix == ".pdf" else of_word(content)
        for value, error in PAIR.findall(text.replace("\N{NO-BREAK SPACE}", " ")):
            count += 1
            assert (value, error) in pairs, (path.name, value, error)
    assert count > 100


def test_tables_of_characteristics_are_the_data_file(study, package, tmp_path):
    """Row by row: every number of a table that names the file is a number of that scenario and analysis there."""
    folder, draft = package
    found = stored(study, tmp_path)
    answers = read(study.trial.name if draft else folder / "answers.yaml", draft=draft, trial=study.trial)
    count = 0
    for make, _ in DOCUMENTS.values():
        for item in flow(make(study, answers)):
            block = item.block if isinstance(item, Captioned) and isinstance(item.block, Grid) else None
            if block is None or block.trace is None or block.trace.data != CHARACTERISTICS:
                continue
            for row in block.rows:
                key = (row[0].strip("`"), row[1].strip("`"))
                if key in found:
                    for column in block.numeric:
                        numbers = re.findall(NUMBER, row[column])
                        count += len(numbers)
                        assert all(any(close(one, known) for known in derived(found[key])) for one in numbers), row
    assert count > 200


def derived(rows):
    """Numbers that the tables make of a row: value, error, ratio, interval of a share, trials."""
    for name, value, error, trials in rows:
        yield from (value, error, trials)
        if name in ("truth", "estimate"):
            yield from (math.exp(value), math.exp(value) * error)
        if name in ("power", "type_1_error"):
            yield from interval(value * trials, int(trials)).tolist()


def close(shown_number, known):
    """Whether a number as printed is the known one, rounded to its digits."""
    text = shown_number.replace("\N{MINUS SIGN}", "-")
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return math.isfinite(known) and abs(float(text) - known) <= 0.5000001 * 10.0**-digits


def test_a_wrong_number_would_be_seen(study, tmp_path):
    rows = next(iter(stored(study, tmp_path).values()))
    assert close("0.123", 0.1234)
    assert not close("0.124", 0.1234)
    assert close("1.5e\N{MINUS SIGN}05", 1.49e-5)
    assert not close("1.5e\N{MINUS SIGN}05", 1.4e-5)
    assert not any(close("0.98765432", number) for number in derived(rows))


def test_every_table_with_results_names_data_records_method_and_code(study):
    answers = read(study.trial.name, draft=True, trial=study.trial)
    known = json.loads((study.run / "manifest.json").read_text())
    assert known["replicates"]
    for name in ("summary", "mar", "simulation-report", "credibility-report", "iq-oq-pq"):
        for item in flow(DOCUMENTS[name][0](study, answers)):
            block = item.block if isinstance(item, Captioned) else None
            if isinstance(block, Figure) or (isinstance(block, Grid) and block.numeric):
                trace = block.trace
                assert trace is not None, (name, block.caption)
                assert all((trace.data, trace.where, trace.method, trace.code)), (name, block.caption)
