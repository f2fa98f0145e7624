"""What python-docx has no words for: styles, fields, links, rules, alternative texts, and a file without a clock."""

from __future__ import annotations

import io
import zipfile
from typing import Any

INK, ACCENT, MUTED, ALARM, RULE, SHADE = "1D2A38", "1F4E79", "5B6670", "9A3412", "B9C3CC", "EEF2F6"
FONT, MONO = "Cambria", "Consolas"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can state: that of every part."""


def bare(made: Any) -> None:
    """Take the picture of the template it began as out of the document."""
    relations = made.part.package.rels
    for name in [name for name, relation in relations.items() if relation.reltype.endswith("/thumbnail")]:
        relations.pop(name)


def dressed(made: Any) -> None:
    """Give the document its page, its fonts and its styles."""
    from docx.shared import Cm

    page = made.sections[0]
    page.page_width, page.page_height = Cm(21.0), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.5)
    page.top_margin, page.bottom_margin = Cm(2.6), Cm(2.3)
    page.header_distance = page.footer_distance = Cm(1.2)
    styles = made.styles
    _font(styles["Normal"], 10.5, INK)
    styles["Normal"].paragraph_format.space_after = sized(6)
    for level, size in enumerate((15, 12.5, 11, 10.5), 1):
        _font(styles[f"Heading {level}"], size, ACCENT, bold=True)
    _font(styles["Title"], 25, ACCENT, bold=True)
    _font(styles["Subtitle"], 13, MUTED, bold=False)
    _font(styles["TOC Heading"], 15, ACCENT, bold=True)
    _font(styles["Caption"], 9.5, INK, bold=False)
    _added(styles)
    _table_style(styles)


def sized(points: float) -> Any:
    """A length in points."""
    from docx.shared import Pt

    return Pt(points)


def coloured(hexadecimal: str) -> Any:
    """A colour."""
    from docx.shared import RGBColor

    return RGBColor.from_string(hexadecimal)


def _font(style: Any, size: float, colour: str, *, bold: bool | None = None, name: str = FONT) -> None:
    from docx.oxml.ns import qn

    style.font.name, style.font.size, style.font.color.rgb = name, sized(size), coloured(colour)
    style.font.bold, style.font.italic = bold, False
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{theme}"), None)
    for script in ("ascii", "hAnsi", "cs", "eastAsia"):
        fonts.set(qn(f"w:{script}"), name)


def _added(styles: Any) -> None:
    from docx.enum.style import WD_STYLE_TYPE

    for name, size, colour, font in (("Code", 8, INK, MONO), ("Source", 8, MUTED, FONT)):
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        _font(style, size, colour, name=font)
        style.paragraph_format.space_after = sized(10)
    cell = styles.add_style("Table text", WD_STYLE_TYPE.PARAGRAPH)
    cell.base_style = styles["Normal"]
    cell.font.size, cell.paragraph_format.space_after = sized(8.5), sized(2)
    cell.paragraph_format.space_before, cell.paragraph_format.line_spacing = sized(2), 1.0
    inline = styles.add_style("Code in text", WD_STYLE_TYPE.CHARACTER)
    inline.font.name, inline.font.size = MONO, sized(8)


def _table_style(styles: Any) -> None:
    """A table with a shaded head and thin rules."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml import parse_xml

    style = styles.add_style("Trialtwin", WD_STYLE_TYPE.TABLE)
    style.base_style = styles["Normal Table"]
    edges = "".join(
        f'<w:{edge} w:val="single" w:sz="{width}" w:space="0" w:color="{colour}"/>'
        for edge, width, colour in (("top", 8, ACCENT), ("bottom", 8, ACCENT), ("insideH", 4, RULE))
    )
    margins = "".join(f'<w:{side} w:w="70" w:type="dxa"/>' for side in ("left", "right"))
    for xml in (
        f"<w:tblPr {_NAMED}><w:tblBorders>{edges}</w:tblBorders><w:tblCellMar>{margins}</w:tblCellMar></w:tblPr>",
        f"<w:tblStylePr {_NAMED} w:type='firstRow'><w:rPr><w:b/></w:rPr><w:tcPr><w:tcBorders><w:bottom w:val='single' "
        f"w:sz='6' w:color='{ACCENT}'/></w:tcBorders><w:shd w:val='clear' w:color='auto' "
        f"w:fill='{SHADE}'/></w:tcPr></w:tblStylePr>",
    ):
        style.element.append(parse_xml(xml))


_NAMED = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def tail(paragraph: Any) -> None:
    """Let a tab in a paragraph move to the right margin."""
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Cm

    paragraph.style = "Normal"
    paragraph.paragraph_format.tab_stops.add_tab_stop(Cm(16.0), WD_TAB_ALIGNMENT.RIGHT)


def field(paragraph: Any, instruction: str) -> None:
    """A field such as PAGE, which the reader's program fills in."""
    from docx.oxml import parse_xml

    shown = '<w:r><w:rPr><w:sz w:val="16"/></w:rPr><w:t>1</w:t></w:r>'
    paragraph._p.append(parse_xml(f'<w:fldSimple {_NAMED} w:instr="{instruction}">{shown}</w:fldSimple>'))


def link(paragraph: Any, anchor: str, text: str) -> None:
    """A link to a bookmark of the document."""
    from docx.oxml import parse_xml

    number, title = (part.replace("&", "&amp;").replace("<", "&lt;") for part in text.split("\t"))
    xml = (
        f'<w:hyperlink {_NAMED} w:anchor="{anchor}"><w:r><w:t xml:space="preserve">{number}\N{EN SPACE}</w:t></w:r>'
        f"<w:r><w:t>{title}</w:t></w:r></w:hyperlink>"
    )
    paragraph._p.append(parse_xml(xml))


def bookmark(paragraph: Any, name: str) -> None:
    """Mark a paragraph as the place that links of that name lead to."""
    from docx.oxml import parse_xml

    number = sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 2**31
    start = parse_xml(f'<w:bookmarkStart {_NAMED} w:id="{number}" w:name="{name}"/>')
    paragraph._p.insert(1 if paragraph._p.pPr is not None else 0, start)
    paragraph._p.append(parse_xml(f'<w:bookmarkEnd {_NAMED} w:id="{number}"/>'))


def ruled(paragraph: Any, side: str, colour: str = RULE) -> None:
    """Draw a rule along one side of a paragraph."""
    from docx.oxml import parse_xml

    width = 18 if side == "left" else 4
    xml = f'<w:pBdr {_NAMED}><w:{side} w:val="single" w:sz="{width}" w:space="6" w:color="{colour}"/></w:pBdr>'
    properties = paragraph._p.get_or_add_pPr()
    properties.insert_element_before(
        parse_xml(xml), "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def describe(table: Any, text: str) -> None:
    """Say what a table holds to who cannot see it, and repeat its head on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    description = OxmlElement("w:tblDescription")
    description.set(qn("w:val"), text)
    table._tbl.tblPr.append(description)
    repeated = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(repeated)
    for row in table.rows:
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def stamped(shape: Any, alt: str) -> None:
    """Give a picture its alternative text."""
    shape._inline.docPr.set("descr", alt)


def zipped(content: bytes) -> bytes:
    """The same archive with every part at one time and in the order of the names, the declaration of types first."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        parts = {name: found.read(name) for name in found.namelist()}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(parts, key=lambda name: (name != "[Content_Types].xml", name)):
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            made.writestr(entry, parts[name])
    return whole.getvalue()
