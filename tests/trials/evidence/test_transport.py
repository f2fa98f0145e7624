"""Transport files and Dataset-JSON: what is written is read back bit by bit, what does not fit is refused."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.trials.evidence.tables import COLUMNS, small
from trials.errors import TrialError
from trials.evidence.table import Column
from trials.evidence.transport import dataset_json, xpt

WHEN = "2026-01-31T12:34:56Z"
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "reference" / "evidence" / "dataset_json_1_1.schema.json").read_text(encoding="utf-8")
)


def changed(name, values):
    frame = small().frame.copy()
    frame[name] = values
    return small(frame=frame)


def test_a_transport_file_holds_every_bit(tmp_path):
    xpt.write(small(), tmp_path / "pc.xpt", WHEN)
    back = xpt.read(tmp_path / "pc.xpt")
    assert (back.name, back.label) == ("PC", "SIMULATED Concentrations")
    assert [one.label for one in back.columns] == [one.label for one in COLUMNS]
    assert back.column("PCSTRESN").format == "8.3"
    assert back.frame["PCSTRESN"].iloc[3] == np.nextafter(1.0, 2.0)
    assert np.isnan(back.frame["PCSTRESN"].iloc[0])
    assert back.frame["PCORRES"].tolist() == small().frame["PCORRES"].tolist()


def test_the_clock_in_the_header_is_ours_and_version_5_it_is(tmp_path):
    for name in ("one", "two"):
        xpt.write(small(), tmp_path / name, WHEN)
    data = (tmp_path / "one").read_bytes()
    assert data == (tmp_path / "two").read_bytes()
    assert data.count(b"31JAN26:12:34:56") == 4
    assert data.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")
    assert len(data) % 80 == 0


def test_a_short_last_record_is_kept(tmp_path):
    """Records of 8 bytes whose last ones would fit into the padding of 80, which some readers drop."""
    column = Column("N", "Number", "float")
    frame = small().frame[["PCSTRESN"]].rename(columns={"PCSTRESN": "N"})
    for count in range(5):
        table = small(columns=(column,), frame=frame.iloc[:count], keys=("N",))
        xpt.write(table, tmp_path / "n.xpt", WHEN)
        assert len(xpt.read(tmp_path / "n.xpt").frame) == count


def test_dataset_json_is_valid_and_equal_to_the_transport_file(tmp_path):
    xpt.write(small(), tmp_path / "pc.xpt", WHEN)
    dataset_json.write(small(), tmp_path / "pc.json", WHEN, "S")
    found = json.loads((tmp_path / "pc.json").read_text(encoding="ascii"))
    jsonschema.Draft201909Validator(SCHEMA).validate(found)
    assert found["records"] == len(found["rows"]) == 4
    assert found["datasetJSONCreationDateTime"] == WHEN
    kinds = {one["name"]: one["dataType"] for one in found["columns"]}
    assert (kinds["PCSEQ"], kinds["PCSTRESN"], kinds["PCDTC"], kinds["PCORRES"]) == (
        "integer", "double", "datetime", "string",
    )  # fmt: skip
    assert [one.get("keySequence") for one in found["columns"][:4]] == [1, 2, 3, None]
    assert found["rows"][0][4] is None
    xpt.compare(xpt.read(tmp_path / "pc.xpt"), dataset_json.read(tmp_path / "pc.json"))


def test_an_empty_data_set_is_written_by_both(tmp_path):
    table = small(frame=small().frame.iloc[:0])
    xpt.write(table, tmp_path / "pc.xpt", WHEN)
    dataset_json.write(table, tmp_path / "pc.json", WHEN, "S")
    jsonschema.Draft201909Validator(SCHEMA).validate(json.loads((tmp_path / "pc.json").read_text()))
    xpt.compare(xpt.read(tmp_path / "pc.xpt"), dataset_json.read(tmp_path / "pc.json"))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: small(label="L" * 41), "label of PC"),
        (lambda: small(label="Größe"), "label of PC"),
        (lambda: small(name="PKCONCENTR"), "no name of a data set"),
        (lambda: changed("PCORRES", ["x" * 201, "", "", ""]), "at most 200"),
        (lambda: changed("PCORRES", ["µg", "", "", ""]), "printable ASCII"),
        (lambda: changed("PCORRES", ["a\nb", "", "", ""]), "printable ASCII"),
        (lambda: changed("PCORRES", ["a ", "", "", ""]), "PCORRES has the text 'a '"),
        (lambda: changed("PCSEQ", [1.0, 2.0, 1.5, 2.0]), "PCSEQ is not whole"),
        (lambda: changed("PCSTRESN", [np.inf, 2.0, 1.5, 2.0]), "PCSTRESN is infinite"),
        (lambda: renamed("PCREASONND"), "no name of a variable"),
        (lambda: renamed("pcreas"), "no name of a variable"),
    ],
)
def test_what_does_not_fit_is_refused_by_both(tmp_path, table, said):
    with pytest.raises(TrialError, match=said):
        xpt.write(table(), tmp_path / "pc.xpt", WHEN)
    with pytest.raises(TrialError, match=said):
        dataset_json.write(table(), tmp_path / "pc.json", WHEN, "S")
    assert list(tmp_path.iterdir()) == []


def renamed(name):
    columns = [dataclasses.replace(one, name=name) if one.name == "PCREASND" else one for one in COLUMNS]
    return small(columns=columns, frame=small().frame.rename(columns={"PCREASND": name}))


def test_a_difference_is_named():
    with pytest.raises(TrialError, match=r"PC\.PCSTRESN, record 2"):
        xpt.compare(small(), changed("PCSTRESN", [np.nan, np.nextafter(0.1, 1), 0.0, np.nextafter(1.0, 2.0)]))
    with pytest.raises(TrialError, match=r"PC\.PCORRES, record 1"):
        xpt.compare(small(), changed("PCORRES", ["a", *small().frame["PCORRES"][1:]]))
    with pytest.raises(TrialError, match="number of records"):
        xpt.compare(small(), small(frame=small().frame.iloc[:3]))


@pytest.mark.parametrize("when", ["yesterday", "2026-01-31T12:00:00"])
def test_a_clock_without_time_zone_is_refused(tmp_path, when):
    with pytest.raises(TrialError, match="when: wants"):
        xpt.write(small(), tmp_path / "pc.xpt", when)
