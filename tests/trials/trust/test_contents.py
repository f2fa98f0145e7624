"""What a package holds: each check passes on what is right and names what is planted."""

import csv
import json
import shutil

import pytest

from tests.trials.evidence.tables import small
from tests.trials.trust.packages import packaged, run_folder
from trials.evidence.adam.reporting import reporting_event_of_replicates
from trials.evidence.adam.simulated import replicates
from trials.evidence.study import open_study
from trials.evidence.transport import dataset_json, define, xpt
from trials.trust.contents import CHECKS
from trials.trust.finding import Outcome

WHEN = "2026-01-02T03:04:05Z"
STUDY = "data/m5/datasets/s-e1"
ALL = "data/m5/datasets/s"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package with one data set twice, define.xml, and tables of characteristics."""
    bag = packaged(tmp_path_factory.mktemp("contents") / "study-1")
    tabulations, copies = bag / STUDY / "tabulations/sdtm", bag / STUDY / "misc/dataset-json/sdtm"
    tabulations.mkdir(parents=True)
    copies.mkdir(parents=True)
    xpt.write(small(), tabulations / "pc.xpt", WHEN)
    dataset_json.write(small(), copies / "pc.json", WHEN, "S")
    define.write([small()], tabulations / "define.xml", when=WHEN, standard="sdtm", study="S")
    study, (adam, copies) = open_study(run_folder()), (bag / ALL / "analysis/adam/datasets", bag / ALL / "misc")
    adam.mkdir(parents=True)
    (copies / "dataset-json/adam").mkdir(parents=True)
    for table in replicates(study):
        xpt.write(table, adam / f"{table.name.lower()}.xpt", WHEN)
        dataset_json.write(table, copies / "dataset-json/adam" / f"{table.name.lower()}.json", WHEN, "S")
    define.write(replicates(study), adam / "define.xml", when=WHEN, standard="adam", study="S")
    (copies / "ars.json").write_text(json.dumps(reporting_event_of_replicates(study, "S")))
    found = json.loads((bag / "data/simulation/run/characteristics.json").read_text())
    rows = [
        (scenario, analysis, name, *entry.values())
        for scenario, analyses in found.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
    ]
    head = ("scenario", "analysis", "characteristic", "value", "mcse", "replicates")
    with (bag / "data/simulation/operating-characteristics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    (bag / "data/m5/reports").mkdir()
    (bag / "data/m5/reports/simulation-report.html").write_text(page(rows))
    return bag


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study-1")


def page(rows):
    """A report with a table of every characteristic, printed as reports print numbers."""
    from trials.report_tables import plain

    head = "".join(f"<th>{x}</th>" for x in ("Scenario", "Analysis", "Characteristic", "Value", "MCSE", "Replicates"))
    cells = [(s, a, n.replace("_", " "), plain(v, 6), plain(e, 3), str(r)) for s, a, n, v, e, r in rows]
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return f"<table><tr>{head}</tr>{body}</table>"


def outcome(bag, name) -> Outcome:
    return next(check for check in CHECKS if check.name == name)(bag)


def edited(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    "name", ["run", "Dataset-JSON", "define.xml", "copies", "numbers", "reports", "analysis results", "analysis data",
             "all replicates", "their characteristics", "their results"]
)  # fmt: skip
def test_what_is_right_passes(bag, name):
    found = outcome(bag, name)
    assert found.state == "passed", str(found)


def test_what_is_not_there_is_absent_and_says_so(bag):
    assert outcome(bag, "bill of materials").state == "absent"
    assert "has no data/provenance/sbom.cdx.json" in outcome(bag, "bill of materials").note


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"records": 4', '"records": 5', "says 5 records and has 4"),
        ('"datasetJSONVersion": "1.1.0"', '"datasetJSONVersion": "2"', "datasetJSONVersion"),
        ('"dataType": "string"', '"x": 1, "dataType": "string"', "columns/0"),
        ('"dataType": "string"', '"dataType": "text"', "columns/0/dataType"),
    ],
)
def test_faults_of_dataset_json(bag, before, after, said):
    path = bag / STUDY / "misc/dataset-json/sdtm/pc.json"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    (finding, *_) = outcome(bag, "Dataset-JSON").findings
    assert said in finding.message


def test_a_value_that_differs_between_the_copies(bag):
    path = bag / STUDY / "misc/dataset-json/sdtm/pc.json"
    found = json.loads(path.read_text())
    place = [column["name"] for column in found["columns"]].index("PCSTRESN")
    found["rows"][1][place] = 0.10000000000000002
    path.write_text(json.dumps(found))
    (finding,) = outcome(bag, "copies").findings
    assert finding.path == f"{STUDY}/tabulations/sdtm/pc.xpt"
    assert "PC.PCSTRESN, record 2" in finding.message


@pytest.mark.parametrize("gone", ["tabulations/sdtm/pc.xpt", "misc/dataset-json/sdtm/pc.json"])
def test_a_copy_that_is_missing(bag, gone):
    xpt.write(small(name="PP"), bag / STUDY / "tabulations/sdtm/pp.xpt", WHEN)
    dataset_json.write(small(name="PP"), bag / STUDY / "misc/dataset-json/sdtm/pp.json", WHEN, "S")
    (bag / STUDY / gone).unlink()
    (finding,) = outcome(bag, "copies").findings
    assert "pc." in finding.path


def test_an_invalid_define(bag):
    edited(bag / STUDY / "tabulations/sdtm/define.xml", 'OID="IG.PC"', 'OYD="IG.PC"')
    assert outcome(bag, "define.xml").state == "failed"


def test_a_characteristic_that_differs_in_the_table(bag):
    path = bag / "data/simulation/operating-characteristics.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[1][3] = "0.5"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows[:-1])
    paths = [finding.path for finding in outcome(bag, "numbers").findings]
    assert sorted(paths) == sorted(f"{path.relative_to(bag)} {' '.join(row[:3])}" for row in (rows[1], rows[-1]))


def test_a_number_that_a_report_prints_wrongly(bag):
    path = bag / "data/m5/reports/simulation-report.html"
    rows = list(csv.reader((bag / "data/simulation/operating-characteristics.csv").read_text().splitlines()))
    where = next(row for row in rows[1:] if row[2] == "estimate")
    from trials.report_tables import plain

    shown = plain(float(where[3]), 6)
    edited(path, f"<td>{shown}</td>", f"<td>{shown[:-1]}{(int(shown[-1]) + 2) % 10}</td>")
    (finding,) = outcome(bag, "reports").findings
    assert f"{where[0]} {where[1]} mean estimate" in finding.message
    path.write_text("<p>nothing</p>")
    assert "prints no table" in outcome(bag, "reports").findings[0].message


def changed(path, **values):
    """Change the first record of a data set."""
    table = xpt.read(path)
    for name, value in values.items():
        table.frame.loc[0, name] = value
    xpt.write(table, path, WHEN)


def test_a_replicate_that_differs(bag):
    changed(bag / ALL / "analysis/adam/datasets/adsim.xpt", ESTIMATE=0.5, N=3.0)
    told = [finding.message for finding in outcome(bag, "all replicates").findings]
    assert told == ["has another estimate than the run in 1 records", "has another n than the run in 1 records"]


def test_a_characteristic_that_differs_in_the_data_set_or_the_results(bag):
    changed(bag / ALL / "analysis/adam/datasets/adoc.xpt", MCSE=0.5)
    (finding,) = outcome(bag, "their characteristics").findings
    assert "'mcse': 0.5" in finding.message
    path = bag / ALL / "misc/ars.json"
    event = json.loads(path.read_text())
    event["analyses"][0]["results"][0]["rawValue"] = "0.5"
    path.write_text(json.dumps(event))
    (finding,) = outcome(bag, "their results").findings
    assert "'value': 0.5" in finding.message


def test_analysis_data_without_the_tabulations_they_come_from(bag):
    place = bag / STUDY / "analysis/adam/datasets"
    place.mkdir(parents=True)
    xpt.write(small(name="ADPC"), place / "adpc.xpt", WHEN)
    define.write([small(name="ADPC")], place / "define.xml", when=WHEN, standard="adam", study="S")
    shutil.rmtree(bag / STUDY / "tabulations")
    (finding,) = outcome(bag, "analysis data").findings
    assert "no tabulations that they come from" in finding.message


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"@graph": 3}', b"\xff"])
@pytest.mark.parametrize(
    "path",
    ["provenance/bco.json", "ro-crate-metadata.json", "provenance/sbom.cdx.json", "m5/datasets/s-e1/misc/usdm.json",
     "m5/datasets/s-e1/misc/ars.json", "audit/identifiers.json", "model/assessment-table.json", "m5/sap.pdf",
     "m5/datasets/s-e1/misc/dataset-json/sdtm/pc.json", "m5/datasets/s-e1/tabulations/sdtm/define.xml",
     "m5/datasets/s-e1/tabulations/sdtm/pc.xpt"],
)  # fmt: skip
def test_rubbish_is_a_finding_and_no_crash(bag, path, content):
    target = bag / "data" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    assert any(check(bag).state == "failed" for check in CHECKS if target in set(bag.glob(check.place)))


def test_an_attestation_of_a_crate_lists_every_file(bag):
    (bag / "data/ro-crate-metadata.json").write_text(json.dumps({"@graph": [{"@id": "./"}]}))
    assert "lacks its root or its descriptor" in outcome(bag, "RO-Crate").findings[0].message
    graph = [{"@id": "./", "hasPart": [{"@id": "gone.txt"}]}, {"@id": "ro-crate-metadata.json"}]
    (bag / "data/ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    told = list(map(str, outcome(bag, "RO-Crate").findings))
    assert "data/ro-crate-metadata.json: lists gone.txt, which is not there" in told
    assert any(line.startswith("data/simulation/run/config.yaml: is not listed") for line in told)
