"""Define-XML: valid for two validators that we did not write, equal to the data, alike on every day."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from lxml import etree

from tests.trials.evidence.tables import COLUMNS, small
from trials.errors import TrialError
from trials.evidence.table import Column
from trials.evidence.terminology import CODELISTS
from trials.evidence.transport import define
from trials.evidence.transport.metadata.clauses import parse
from trials.evidence.transport.results import AnalysisResult, Display

WHEN = "2026-01-31T12:34:56Z"
ODM, DEF = "{http://www.cdisc.org/ns/odm/v1.3}", "{http://www.cdisc.org/ns/def/v2.1}"


def lab():
    """A finding with published terms, one term that extends a list, a closed list, and metadata of single values."""
    columns = [
        *COLUMNS,
        Column("PCTESTCD", "Test Short Name", codelist="LBTESTCD", origin="Assigned", source="Ours"),
        Column("SEX", "Sex", codelist="SEX"),
        Column("ARMCD", "Arm", codelist="Arm of the study"),
        Column("EMPTY", "Empty", codelist="NY"),
    ]
    frame = small().frame.assign(
        PCTESTCD=["LDL", "ODD", "LDL", "INR"], SEX=["F", "M", "F", "F"], ARMCD=["B", "A", "B", "A"], EMPTY=[""] * 4
    )
    value = Column("PCSTRESN", "LDL Cholesterol", "float", origin="Derived", source="From the sample")
    return small(columns=columns, frame=frame, values={"PCSTRESN": {"PCTESTCD EQ LDL": value}})


def shown(**changes):
    given = {
        "name": "a", "description": "A mean", "reason": "SPECIFIED IN SAP", "purpose": "PRIMARY OUTCOME MEASURE",
        "variables": {"PC": ("PCSTRESN",)}, "where": {"PC": "PCTESTCD IN (LDL, INR) AND PCSEQ EQ 1"},
        "parameter": "PCTESTCD", "documentation": "By hand", "code": "x = 1\ny = 2",
    }  # fmt: skip
    return [Display("Table 1", "Means", [AnalysisResult(**{**given, **changes})], document="mar.pdf", title="Report")]


def written(folder, **changes):
    given = {"when": WHEN, "standard": "sdtm", "study": "S-1", "title": "A trial", "documents": {"csdrg.pdf": "Guide"}}
    path = folder / "define.xml"
    define.write([lab()], path, **{**given, **changes})
    return path


@pytest.mark.parametrize("standard", ["sdtm", "adam"])
def test_the_second_validator_agrees(tmp_path, standard):
    path = written(tmp_path, standard=standard)
    done = subprocess.run(
        [sys.executable, "-m", "defineutils.validate", "-d", str(path)], capture_output=True, text=True, check=False
    )
    assert "is valid" in done.stdout + done.stderr, done.stdout + done.stderr


def test_the_schema_bites(tmp_path):
    path = written(tmp_path, standard="adam", results=shown())
    define.validate(path)
    path.write_text(path.read_text(encoding="utf-8").replace('DataType="integer"', 'DataType="number"', 1))
    with pytest.raises(TrialError, match=r"define\.xml"):
        define.validate(path)


def test_bytes_depend_on_the_arguments_alone(tmp_path):
    first = written(tmp_path).read_bytes()
    written(tmp_path, standard="adam", results=shown())
    assert written(tmp_path).read_bytes() == first
    assert b'CreationDateTime="2026-01-31T12:34:56+00:00"' in first
    assert b"SIMULATED DATA" in first


def test_every_reference_is_defined_once(tmp_path):
    text = written(tmp_path, standard="adam", results=shown()).read_text(encoding="utf-8")
    defined = re.findall(r' OID="([^"]+)"', text) + re.findall(r' ID="([^"]+)"', text)
    assert len(defined) == len(set(defined))
    wanted = re.findall(r'(?:ItemOID|ItemGroupOID|CodeListOID|ValueListOID|MethodOID|CommentOID|StandardOID|'
                        r'WhereClauseOID|ParameterOID|leafID|ArchiveLocationID)="([^"]+)"', text)  # fmt: skip
    assert set(wanted) <= set(defined)


def test_code_lists_hold_the_terms_that_occur(tmp_path):
    root = ElementTree.parse(written(tmp_path)).getroot()
    lists = {one.get("OID"): one for one in root.iter(f"{ODM}CodeList")}
    assert set(lists) == {"CL.LBTESTCD", "CL.SEX", "CL.Arm_of_the_study"}
    tests = {one.get("CodedValue"): one for one in lists["CL.LBTESTCD"].iter(f"{ODM}CodeListItem")}
    assert set(tests) == {"LDL", "ODD", "INR"}
    assert tests["ODD"].get(f"{DEF}ExtendedValue") == "Yes"
    assert tests["LDL"].find(f"{ODM}Alias").get("Name") == CODELISTS["LBTESTCD"].terms["LDL"]
    assert tests["LDL"].find(f"{ODM}Decode/{ODM}TranslatedText").text == "LDL Cholesterol"
    enumerated = lists["CL.Arm_of_the_study"].iter(f"{ODM}EnumeratedItem")
    assert [one.get("CodedValue") for one in enumerated] == ["A", "B"]


def test_metadata_of_a_value_describe_its_records(tmp_path):
    root = ElementTree.parse(written(tmp_path)).getroot()
    items = {one.get("OID"): one for one in root.iter(f"{ODM}ItemDef")}
    assert items["IT.PC.PCORRES"].get("Length") == "200"
    assert items["IT.PC.PCDTC"].get("DataType") == "datetime"
    assert items["IT.PC.PCSTRESN.1"].find(f"{ODM}Description/{ODM}TranslatedText").text == "LDL Cholesterol"
    assert items["IT.PC.PCSTRESN"].find(f"{DEF}ValueListRef").get("ValueListOID") == "VL.PC.PCSTRESN"
    assert [one.find(f"{ODM}Description/{ODM}TranslatedText").text for one in root.iter(f"{ODM}MethodDef")] == [
        "From the sample"
    ]


def test_the_stylesheet_shows_it_all(tmp_path):
    path = written(tmp_path, standard="adam", results=shown())
    page = etree.XSLT(etree.parse(tmp_path / "define2-1.xsl"))(etree.parse(path))
    text = " ".join(etree.tostring(page, method="text", encoding="unicode").split())
    for said in ("SIMULATED DATA", "Table 1: Means", "PCTESTCD IN LDL, INR and PCSEQ EQ 1", "x = 1 y = 2", "Guide"):
        assert said in text
    html = etree.tostring(page, method="html", encoding="unicode")
    assert 'href="pc.xpt"' in html
    assert html.count("<script") == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variables": {"PP": ("AVAL",)}}, "PP"),
        ({"variables": {"PC": ("AVAL",)}}, "PC.AVAL"),
        ({"where": {"PC": "AVAL EQ 1"}}, "AVAL"),
        ({"where": {"PC": "whatever"}}, "comparisons"),
        ({"reason": "BECAUSE"}, "reason"),
        ({"purpose": "FUN"}, "purpose"),
    ],
)
def test_a_result_of_what_is_not_there_is_refused(tmp_path, changes, said):
    with pytest.raises(TrialError, match=said):
        written(tmp_path, standard="adam", results=shown(**changes))


def test_conditions():
    assert parse("A EQ 1 AND B IN ('x', y)") == (("A", "EQ", ("1",)), ("B", "IN", ("x", "y")))
