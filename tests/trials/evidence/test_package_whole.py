"""A whole small package, held to validators that are not ours: bagit, sha512sum, odmlib, defineutils, pikepdf."""

import json
import shutil
import subprocess
import warnings

import numpy as np
import pikepdf
import pyreadstat
import pytest

import trials
from tests.trials.trust.packages import run_folder
from trials.errors import TrialError
from trials.evidence.checklist import ITEMS
from trials.packaging import Wish

pytestmark = pytest.mark.slow


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trials.package(run_folder(), tmp_path_factory.mktemp("evidence") / "study", Wish(draft=True))


def paths(whole, pattern):
    found = sorted((whole / "data").glob(pattern))
    assert found, pattern
    return found


def test_it_verifies(whole):
    report = trials.verify(whole)
    assert report.ok, str(report)


def test_packaged_twice_has_the_same_payload(whole, tmp_path):
    again = trials.package(run_folder(), tmp_path / "again", Wish(draft=True))
    assert content(again) == content(whole)


def test_bagit_and_sha512sum(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bagit, which calls re.sub as Python 3.13 no longer likes
        import bagit

        assert bagit.Bag(str(whole)).validate()
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        done = subprocess.run(["sha512sum", "--check", "--quiet", manifest], cwd=whole, check=False)
        assert done.returncode == 0


def test_define_xml_by_two_validators(whole):
    from odmlib.odm_parser import ODMSchemaValidator

    for path in paths(whole, "m5/datasets/*/**/define.xml"):
        ODMSchemaValidator(standard="arm", version="1.0-define2.1").validate_file(str(path))


def test_pdfs_are_archival(whole):
    for path in paths(whole, "**/*.pdf"):
        with pikepdf.open(path) as document, document.open_metadata() as about:
            assert about.pdfa_status == "2A", path


def test_transport_files_equal_their_copies(whole):
    for path in paths(whole, "m5/datasets/*/**/*.xpt"):
        frame, _ = pyreadstat.read_xport(path, disable_datetime_conversion=True)
        study = path.relative_to(whole / "data").parts[2]
        kind = "sdtm" if "tabulations" in path.parts else "adam"
        copy = json.loads((whole / f"data/m5/datasets/{study}/misc/dataset-json/{kind}/{path.stem}.json").read_text())
        assert copy["records"] == len(frame)
        assert [column["name"] for column in copy["columns"]] == list(frame.columns)
        for number, name in enumerate(frame.columns):
            values = [row[number] for row in copy["rows"]]
            if frame[name].dtype.kind in "fi":
                assert np.array_equal(np.array(values, dtype=float), frame[name].to_numpy(float), equal_nan=True), name
            else:
                assert ["" if value is None else value for value in values] == frame[name].fillna("").tolist(), name


def test_start_page_names_what_is_there(whole):
    import re

    page = (whole / "data/index.html").read_text()
    assert "SIMULATED DATA" in page
    assert "DRAFT" in page
    links = set(re.findall(r'href="([^"]+)"', page))
    assert links
    assert all((whole / "data" / link).exists() for link in links)
    assert "http" not in page.replace("http-equiv", "")
    assert page.count('<td class="n">') >= len(ITEMS)


def test_status_is_draft_and_nothing_less_is_taken(whole, tmp_path):
    assert "Package-Status: DRAFT" in (whole / "bag-info.txt").read_text()
    with pytest.raises(TrialError, match="only a person can give"):
        trials.package(run_folder(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command_prints_and_packages(capsys):
    from trials.cli import main

    assert main(["package", "--checklist"]) == 0
    assert "62  Fixity" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["package", str(run_folder())])


def test_no_place_of_this_computer_in_any_text(whole):
    places = [str(run_folder().parents[1]), str(whole.parent)]
    for path in (whole / "data").rglob("*"):
        if path.is_file() and path.suffix in (".html", ".json", ".jsonl", ".xml", ".txt", ".csv", ".py", ".yaml"):
            text = path.read_text(encoding="utf-8")
            assert not any(place in text for place in places), path


def test_flipped_data_set_is_found(whole, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    path = paths(copy, "m5/datasets/*/tabulations/sdtm/dm.xpt")[0]
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    assert any("dm.xpt" in finding.path for finding in trials.verify(copy).findings)
