"""A whole small package, held to validators that are not ours: bagit, sha512sum, odmlib, defineutils, pikepdf."""

import copy
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pikepdf
import pyreadstat
import pytest

import trials
from tests.trials.trust.packages import run_folder
from trials.bag import files
from trials.errors import TrialError
from trials.evidence.checklist import ITEMS
from trials.packaging import Wish
from trials.trust.remade import Remade
from trials.verification import fixity

pytestmark = pytest.mark.slow
REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "evidence"


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


def official(form):
    """Validator by the schema of the standard's own authors."""
    from jsonschema import Draft7Validator, Draft201909Validator
    from referencing import Registry, Resource

    if form == "bco":
        found = [json.loads(path.read_bytes()) for path in sorted((REFERENCE / "bco").glob("*.json"))]
        known = Registry().with_resources([(each["$id"], Resource.from_contents(each)) for each in found])
        whole = next(each for each in found if each["$id"].endswith("2791object.json"))
        return Draft7Validator(whole, registry=known)
    name = {"ars": "ars_ldm_1_0", "dataset-json": "dataset_json_1_1"}[form]
    schema = json.loads((REFERENCE / f"{name}.schema.json").read_bytes())
    return Draft201909Validator(schema)


FORMS = {
    "ars": "m5/datasets/*/misc/ars.json", "bco": "provenance/bco.json",
    "dataset-json": "m5/datasets/*/misc/dataset-json/*/*.json",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_json_by_the_official_schemas(whole, form):
    validator = official(form)
    for path in paths(whole, FORMS[form]):
        found = json.loads(path.read_bytes())
        if form == "dataset-json":
            found["rows"] = found["rows"][:2]
        assert [fault.message[:200] for fault in validator.iter_errors(found)] == [], path


def places(value, at=()):
    """Every field within a value, of lists the first two entries."""
    entries = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, each in entries:
        if isinstance(value, dict):
            yield (*at, name)
        yield from places(each, (*at, name))


def without(value, at):
    changed = copy.deepcopy(value)
    inner = changed
    for name in at[:-1]:
        inner = inner[name]
    del inner[at[-1]]
    return changed


@pytest.mark.parametrize("form", FORMS)
def test_what_the_official_schema_misses_ours_misses_too(whole, form):
    """Each field is taken out in turn: wherever that breaks the standard's schema, `verify` refuses the file."""
    from jsonschema import Draft202012Validator

    from trials.trust.forms import _schema

    theirs, ours = official(form), Draft202012Validator(_schema(form))
    path = paths(whole, FORMS[form])[0]
    found = json.loads(path.read_bytes())
    found = {name: value[:2] if isinstance(value, list) else value for name, value in found.items()}
    tried = {tuple("*" if isinstance(name, int) else name for name in at): at for at in places(found)}
    needed = [at for at in tried.values() if not theirs.is_valid(without(found, at))]
    assert len(needed) > 5
    assert [at for at in needed if ours.is_valid(without(found, at))] == []


def test_fields_and_references_of_the_study_definition_are_missed(whole, tmp_path):
    from trials.trust.forms import usdm

    path = paths(whole, "m5/datasets/*/misc/usdm.json")[0]
    text, target = path.read_text(), tmp_path / "usdm.json"
    for before, after, said in (
        ('"plannedSex"', '"planned"', "lacks plannedSex"),
        ('"epochId": "StudyEpoch_1"', '"epochId": "StudyEpoch_9"', "refers to StudyEpoch_9"),
    ):
        assert before in text
        target.write_text(text.replace(before, after, 1))
        assert said in next(iter(usdm(tmp_path, [target]))).message
    target.write_text(text)
    assert not list(usdm(tmp_path, [target]))


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


def test_sections_that_the_checklist_names_are_there(whole):
    """What stands in quotes is the heading of a section of one of the documents that an item names."""
    import re

    named = 0
    for item in ITEMS:
        pages = [page for place in item.places if place.endswith(".pdf")
                 for page in (whole / "data").glob(place.replace(".pdf", ".html"))]  # fmt: skip
        found = [
            text for page in pages for text in re.findall(r"<h[23][^>]*>(.*?)</h[23]>", page.read_text(), re.DOTALL)
        ]
        headings = {re.sub("<[^>]+>", "", text).strip().lstrip("0123456789.") for text in found}
        wanted = set(re.findall("“([^”]+)”", item.where))
        named += len(wanted)
        assert wanted <= headings, item
    assert named > 30


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


def test_every_file_flipped_or_renamed_is_named(whole, tmp_path):
    """What else may happen to a file is tried over every file of a smaller package, in test_tampering."""
    bag = shutil.copytree(whole, tmp_path / "copy")
    for path in files(bag):
        place, away = bag / path, bag / f"{path}.bak"
        content, middle = place.read_bytes(), place.stat().st_size // 2
        place.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
        assert path in {finding.path for finding in fixity(bag)}, path
        place.write_bytes(content)
        place.rename(away)
        assert {path, f"{path}.bak"} <= {finding.path for finding in fixity(bag)}, path
        away.rename(place)
    assert not fixity(bag)


PLANTED = {
    "simulation/seeds.csv": (",1", ",2"),
    "provenance/config-resolved.yaml": ("\nseed: 1", "\nseed: 2"),
    "validation/reproduce.sh": ("wanted=", "wanted=0"),
    "model/equations.txt": ("a", "b"),
    "m2/summary.html": ("SIMULATED", "REAL"),
    "validation/checks.json": ("passed", "done"),
    "index.html": ("passed", "done"),
    "m5/datasets/*-e1/misc/ars.json": ('"rawValue": "', '"rawValue": "1'),
    "m5/datasets/*-e1/analysis/adam/programs/*.py": ("import ", "import os, "),
    "m5/datasets/*-e1/tabulations/sdtm/define.xml": ("ODM", "ODN"),
}


def test_whatever_was_changed_does_not_come_out_again(whole, tmp_path):
    """Of a package made again, everything comes out the same; of what somebody changed consistently, nothing hides."""
    again = Remade(whole=True)
    assert again(whole).state == "passed", str(again(whole))
    assert "which are all" in again(whole).note
    bag = shutil.copytree(whole, tmp_path / "copy")
    changed = set()
    for pattern, (before, after) in PLANTED.items():
        path = paths(bag, pattern)[0]
        text = path.read_text()
        assert before in text, path
        path.write_text(text.replace(before, after, 1))
        changed.add(path.relative_to(bag).as_posix())
    pdf = bag / "data/m2/summary.pdf"
    pdf.write_bytes(pdf.read_bytes().replace(b"%%EOF", b"%%EOF\n%%EOF"))
    (bag / "data/more.txt").write_text("")
    told = {finding.path for finding in again(bag).findings}
    assert told == {*changed, "data/m2/summary.pdf", "data/more.txt"}
    quick = {finding.path for finding in Remade()(bag).findings}
    assert quick == {f"data/{path}" for path in list(PLANTED)[:4]}


def test_another_program_does_not_make_it_again(whole, monkeypatch):
    monkeypatch.setattr("trials.trust.remade.source_digest", lambda: "other")
    outcome = Remade(whole=True)(whole)
    assert outcome.state == "not done"
    assert "these differ: the program's code" in outcome.note


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_other_places_other_clocks_other_languages_same_bytes(whole, tmp_path, hash_seed):
    """Packaged by another process: moved run, another folder, zone, language, mask of permissions and hash seed."""
    run = shutil.copytree(run_folder(), tmp_path / "elsewhere" / run_folder().name)
    surroundings = {"PYTHONHASHSEED": hash_seed, "TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "C"}
    program = "import sys; from trials.packaging import Wish, package; package(*sys.argv[1:], Wish(draft=True))"
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-c", program, run, tmp_path / "out"],
        env={**os.environ, **surroundings}, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = content(whole), content(tmp_path / "out")
    assert [path for path in sorted({*one, *other}) if one.get(path) != other.get(path)] == []
