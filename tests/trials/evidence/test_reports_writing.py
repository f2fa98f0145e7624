"""Documents as PDF/A, HTML and DOCX: the same bytes each time, the same words in each, nothing from outside."""

import io
import re
import zipfile
from pathlib import Path

import pikepdf
import pytest

from trials.errors import TrialError
from trials.evidence.reports import FORMATS, write
from trials.evidence.reports.document import (
    Bullets,
    Code,
    Document,
    Equation,
    Figure,
    Grid,
    Paragraph,
    Section,
    Trace,
)

SVG = """<?xml version="1.0" encoding="utf-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="80pt" viewBox="0 0 200 80">
<defs><path id="a" d="M0 0L200 80"/></defs><use href="#a"/><path d="M 10 70 L 190 10" stroke="#123456"/></svg>"""
TRACE = Trace("simulation/operating-characteristics.csv", "analysis = auc", "share of replicates", "trials.operating")
LATEX = (
    r"\begin{aligned} \mathrm{cp} &= \frac{\mathrm{central}}{v_{1}^{2}} \\ "
    r"r &= \begin{cases} 1 & \text{if } x < 2 \\ \sqrt{\lambda} & \text{otherwise} \end{cases} \end{aligned}"
)


def document(draft: bool = True, rows: int = 60) -> Document:
    table = Grid(
        "Power by scenario", ["Scenario", "Power"], [[f"s{n}", f"0.{n:03d}"] for n in range(rows)], (1,), TRACE
    )
    figure = Figure("Power curve", SVG, "a line that rises", TRACE)
    inner = Section("Equations", [Equation(LATEX, "concentration in plasma"), Code("seed: 1")])
    return Document(
        "mar",
        "Model analysis report",
        "A trial of <two> & more",
        about=[("Study", "TT-X"), ("Code", "`run`")],
        sections=[Section("Answer", [Paragraph("**Yes**, 5 < 6 & more"), Bullets(["one"]), table], [inner]),
                  Section("Pictures", [figure])],
        draft=draft, date="2026-11-21T16:20:42Z", study="TT-X", author="A. Person",
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return {path.suffix[1:]: path.read_bytes() for path in write(document(), folder)}


def test_bytes_depend_on_the_document_alone(written, tmp_path):
    again = {path.suffix[1:]: path.read_bytes() for path in write(document(), tmp_path)}
    assert tuple(written) == FORMATS
    assert again == written


def test_pdf_is_pdf_a_and_accessible(written):
    with pikepdf.open(io.BytesIO(written["pdf"])) as found:
        with found.open_metadata() as metadata:
            assert metadata.pdfa_status == "2A"
            assert metadata["pdfuaid:part"] == "1"
        assert found.Root.MarkInfo.Marked
        assert found.Root.Lang == "en-GB"
        assert str(found.docinfo["/Author"]) == "A. Person"
        names = {str(font.FontDescriptor.FontName) for page in found.pages for font in descriptors(page)}
    assert names
    assert all(re.search("Libertinus|DejaVu|NewCM", name) for name in names), names


def descriptors(page):
    for font in page.get("/Resources", {}).get("/Font", {}).values():
        yield from font.DescendantFonts if "/DescendantFonts" in font else [font]


def shown(pdf: bytes, gap: str = "") -> list[str]:
    """Text of every page, by the maps from glyphs to characters that its fonts carry; `gap` stands between pieces."""
    texts = []
    with pikepdf.open(io.BytesIO(pdf)) as found:
        for page in found.pages:
            fonts = {name: glyphs(font.ToUnicode.read_bytes()) for name, font in page.Resources.Font.items()}
            current, text = {}, ""
            for operands, operator in pikepdf.parse_content_stream(page):
                match str(operator):
                    case "Tf":
                        current = fonts[str(operands[0])]
                    case "Tj":
                        text += spelled(bytes(operands[0]), current)
                    case "ET":
                        text += gap
                    case "TJ":
                        text += "".join(
                            spelled(bytes(o), current) for o in operands[0] if isinstance(o, pikepdf.String)
                        )
            texts.append(text)
    return texts


def glyphs(cmap: bytes) -> dict[bytes, str]:
    rows = re.findall(rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>\n", cmap)
    return {bytes.fromhex(a.decode()): bytes.fromhex(b.decode()).decode("utf-16-be") for a, b in rows}


def spelled(codes: bytes, found: dict[bytes, str]) -> str:
    return "".join(found.get(codes[i : i + 2], "") for i in range(0, len(codes), 2))


def test_every_page_says_that_it_is_simulated_and_whether_it_is_a_draft(written, tmp_path):
    pages = shown(written["pdf"])
    assert len(pages) >= 4
    for number, page in enumerate(pages, 1):
        assert "SIMULATED DATA" in page
        assert "virtual subjects" in page
        assert f"Page {number} of {len(pages)}" in page
        assert "DRAFT" in page
    (final,) = write(document(draft=False), tmp_path, ["pdf"])
    assert not any("DRAFT" in page for page in shown(final.read_bytes()))


def test_head_of_a_table_is_repeated(written):
    heads = [page for page in shown(written["pdf"]) if "ScenarioPower" in page.replace(" ", "")]
    assert len(heads) >= 2


def test_html_is_whole_and_escaped(written):
    page = written["html"].decode()
    assert "SIMULATED DATA — virtual subjects" in page
    assert "A trial of &lt;two&gt; &amp; more" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", re.sub(r'xmlns="[^"]*"', "", page))
    assert "<script" not in page
    assert "<mfrac>" in page
    assert "Data: <code>simulation/operating-characteristics.csv</code>" in page.replace("<wbr>", "")
    assert 'id="a"' not in page  # the figure's identifiers are its own


def test_docx_has_the_same_words_and_no_clock(written):
    import docx

    with zipfile.ZipFile(io.BytesIO(written["docx"])) as found:
        assert {entry.date_time for entry in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        body = found.read("word/document.xml").decode()
        header = found.read("word/header1.xml").decode()
        relations = found.read("_rels/.rels").decode()
    assert "thumbnail" not in relations
    assert "SIMULATED DATA — virtual subjects" in header
    assert "DRAFT" in header
    assert "a line that rises" in body
    assert "<m:f><m:num>" in body
    made = docx.Document(io.BytesIO(written["docx"]))
    assert made.core_properties.author == "A. Person"
    assert made.core_properties.created.isoformat().startswith("2026-11-21T16:20:42")
    assert made.tables[1].cell(60, 1).text == "0.059"
    assert [p.text for p in made.paragraphs if p.style.name == "Heading 2"] == ["1.1\N{EN SPACE}Equations"]


def test_an_equation_that_cannot_be_written_is_refused(tmp_path):
    wrong = Document("x", "X", "x", sections=[Section("S", [Equation(r"\oint x", "a loop")])])
    for form in FORMATS:
        with pytest.raises(TrialError, match="command"):
            write(wrong, tmp_path, [form])


def test_rows_must_fit_the_head():
    with pytest.raises(TrialError, match="2 heads"):
        Grid("Power", ["a", "b"], [["1"]])


def test_every_model_of_the_library_can_be_printed():
    from engine.interchange import write_latex
    from engine.models.loading import load_model
    from trials.evidence.reports.equation_mathml import mathml
    from trials.evidence.reports.equation_typst import typst
    from trials.evidence.reports.equation_word import office

    names = sorted(path.stem for path in Path(__file__).parents[3].glob("conf/model/*.yaml"))
    for name in names:
        latex = write_latex(load_model(name))
        assert typst(latex)
        assert mathml(latex, name).startswith("<math")
        assert len(office(latex)) == latex.count("\n") - 1
