"""Parts of an evidence package: provenance, study definition, model and simulation folders, checklist."""

import csv
import hashlib
import json
import shutil
import subprocess

import pytest
import yaml

import trials
from tests.trials.trust.packages import run_folder
from trials.errors import TrialError
from trials.evidence import modelling, simulating
from trials.evidence.answers import read
from trials.evidence.assembling import PARTS, Part, assemble, made
from trials.evidence.checklist import GROUPS, ITEMS, Item, located, printed
from trials.evidence.provenance import bill, biocompute, crate, origins, settings, tracked
from trials.evidence.provenance.distributions import ROOT, installed
from trials.evidence.study import open_study
from trials.evidence.usdm.definition import definition
from trials.evidence.usdm.things import CODES, duration
from trials.evidence.validation import outcomes, repeating
from trials.evidence.writing import media, write_csv, write_json

MINE = (
    modelling.write_equations, modelling.write_priors, modelling.write_posterior, modelling.write_card,
    simulating.write_scenarios, simulating.write_seeds, simulating.write_characteristics, simulating.write_examples,
    settings.write_settings, bill.write_bill, tracked.write_tracked, repeating.write_script,
    biocompute.write_biocompute, outcomes.write_core, outcomes.write_fhir, origins.write_origins, crate.write_crate,
)  # fmt: skip


@pytest.fixture(scope="module")
def study():
    return open_study(run_folder())


@pytest.fixture(scope="module")
def answers(study):
    return read(study.trial.name, draft=True, trial=study.trial)


@pytest.fixture(scope="module")
def payload(study, answers, tmp_path_factory):
    return filled(tmp_path_factory.mktemp("bag") / "data", study, answers)


def filled(folder, study, answers):
    shutil.copytree(study.run, folder / "simulation" / "run", ignore=shutil.ignore_patterns("audit.jsonl"))
    for write in MINE:
        write(study, answers, folder)
    return folder


def test_same_run_gives_the_same_bytes(study, answers, payload, tmp_path):
    again = filled(tmp_path / "data", study, answers)
    first, second = ({p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*") if p.is_file()}
                     for f in (payload, again))  # fmt: skip
    assert first == second


def test_no_place_of_this_computer_is_in_it(study, payload):
    for path in payload.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".yaml", ".txt", ".csv", ".lock", ".sh", ".md"):
            assert str(study.run.parents[1]) not in path.read_text(), path


def test_bill_is_valid_and_names_everything_installed(payload):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (payload / "provenance/sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    assert {one["name"] for one in found["components"]} == {one.name for one in installed()} - {ROOT}
    needed = next(one for one in found["dependencies"] if one["ref"].startswith(f"pkg:pypi/{ROOT}@"))["dependsOn"]
    assert any(one.startswith("pkg:pypi/numpy@") for one in needed)
    lock = (payload / "provenance/environment.lock").read_text().splitlines()
    assert {line.split("==")[0] for line in lock if not line.startswith("#")} == {one.name for one in installed()}


def test_lock_says_where_the_environment_differs(study):
    from dataclasses import replace

    other = replace(study, manifest={**study.manifest, "versions": {**study.manifest["versions"], "numpy": "1.0"}})
    assert "# differs: the run was made with numpy 1.0" in settings.lock(other)
    assert "# differs" not in settings.lock(study)


def test_biocompute_object(study, answers, payload):
    found = json.loads((payload / "provenance/bco.json").read_text())
    body = {k: v for k, v in found.items() if k not in ("object_id", "spec_version", "etag")}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == found["etag"]
    assert any(answers.context.role in line for line in found["usability_domain"])
    errors = found["error_domain"]["empirical_error"]["monte_carlo_standard_errors"]
    written = study.characteristics.values()
    assert errors["power"] == max(one["power"]["mcse"] for each in written for one in each.values() if "power" in one)
    steps = found["description_domain"]["pipeline_steps"]
    given = {file["uri"]: file["sha1_checksum"] for step in steps for file in step["output_list"]}
    for uri, sha1 in given.items():
        path = payload / uri.split("/", 3)[3]
        if path.is_file():
            assert hashlib.sha1(path.read_bytes()).hexdigest() == sha1


def test_crate_lists_every_file_and_follows_the_profiles(payload):
    graph = {one["@id"]: one for one in json.loads((payload / crate.METADATA).read_text())["@graph"]}
    paths = {path.relative_to(payload).as_posix() for path in payload.rglob("*") if path.is_file()} - {crate.METADATA}
    assert {one["@id"] for one in graph["./"]["hasPart"]} == paths
    for path in paths:
        assert graph[path]["sha256"] == hashlib.sha256((payload / path).read_bytes()).hexdigest()
    assert {one["@id"] for one in graph["./"]["conformsTo"]} == {where for where, _, _ in crate.PROFILES}
    workflow = graph[graph["./"]["mainEntity"]["@id"]]
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    action = graph[graph["./"]["mentions"][0]["@id"]]
    assert action["instrument"]["@id"] == workflow["@id"]
    assert {one["@id"] for one in action["object"] + action["result"]} <= paths


def test_provenance_is_closed(payload):
    found = json.loads((payload / "provenance/prov.json").read_text())
    known = {*found["entity"], *found["activity"], *found["agent"]}
    for relation in ("used", "wasGeneratedBy", "wasDerivedFrom", "wasAssociatedWith"):
        for one in found[relation].values():
            assert set(one.values()) <= known | {"tt:simulation/run/manifest.json"}, relation


def test_resolved_configuration_repeats_the_run(study, payload):
    again = trials.load(payload / "provenance/config-resolved.yaml")
    assert again.digest == study.trial.digest
    assert yaml.safe_load((payload / "provenance/config-resolved.yaml").read_text())["runs"] == "runs"


def test_script_is_one_that_bash_reads(study, payload):
    script = payload / "validation/reproduce.sh"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert study.manifest["digests"]["outcomes"] in script.read_text()


def test_priors_have_sources_and_a_status(study, payload):
    values = json.loads((payload / "model/priors.json").read_text())["values"]
    coefficients = study.trial.protocol.population.coefficients
    assert [one["name"] for one in values] == [c.name for c in coefficients for _ in c.quantities]
    assert all(one["source"] for one in values)
    assert {one["status"] for one in values} == {"fixed", "assumed"}  # nothing was fitted
    assert (payload / "model/posterior.txt").is_file()


def test_characteristics_have_their_errors(study, payload):
    with (payload / "simulation/operating-characteristics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(n) for a in study.characteristics.values() for n in a.values())
    one = next(row for row in rows if row["characteristic"] == "bias")
    entry = study.characteristics[one["scenario"]][one["analysis"]]["bias"]
    assert (float(one["value"]), float(one["mcse"])) == (entry["value"], entry["mcse"])


def test_stories_are_told_of_every_arm(payload):
    text = (payload / "simulation/example-trials/example-1.txt").read_text()
    assert text.startswith("SIMULATED DATA")
    assert text.count("---- Subject") >= 2
    assert "Randomised to: test, then reference" in text
    assert "Randomised to: reference, then test" in text


def test_untracked_run_says_so(payload):
    found = json.loads((payload / "provenance/mlflow-run.json").read_text())
    assert (found["tracked"], found["runs"]) == (False, [])
    assert "tracking=none" in found["reason"]


# ---- study definition
@pytest.fixture(scope="module")
def defined(study, answers):
    return definition(study, answers)["study"]["versions"][0]


def test_definition_has_the_design(study, defined):
    (design,) = defined["studyDesigns"]
    assert [arm["name"] for arm in design["arms"]] == ["test_then_reference", "reference_then_test"]
    assert len(design["epochs"]) == 2
    assert len(design["studyCells"]) == 4
    assert {arm["dataOriginType"]["decode"] for arm in design["arms"]} == {"Synthetic Data"}
    assert len(design["encounters"]) == 2 * len(study.trial.protocol.measurements[0].times)
    assert {one["name"] for one in design["objectives"][0]["endpoints"]} == {"auc", "cmax"}


def test_references_of_the_definition_are_there(defined):
    ids, used = set(), set()

    def walk(value, key=""):
        if isinstance(value, dict):
            if "id" in value:
                assert value["id"] not in ids, value["id"]
                ids.add(value["id"])
            for name, item in value.items():
                walk(item, name)
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        elif isinstance(value, str) and (key.endswith(("Id", "Ids"))):
            used.add(value)

    walk(defined)
    assert used <= ids


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.25, "h", "PT15M"), (24, "h", "P1D"), (36, "h", "P1DT12H"), (7, "d", "P7D"), (2, "week", "P14D"),
     (0, "h", "PT0S"), (1.5, "d", "P1DT12H"), (90, "s", "PT1M30S")],
)  # fmt: skip
def test_durations(value, unit, text):
    assert duration(value, unit) == text


def test_unit_that_is_no_time():
    with pytest.raises(TrialError, match="no ISO 8601 duration"):
        duration(1, "mg")


def test_codes_are_those_of_ncit():
    assert all(code.startswith("C") and code[1:].isdecimal() for code, _ in CODES.values())


# ---- checklist and assembling
def test_checklist_has_62_items_in_order():
    assert [item.number for item in ITEMS] == list(range(1, 63))
    assert {item.group for item in ITEMS} == set(GROUPS)
    assert len(printed().splitlines()) > 2 * 62


def test_claimed_place_that_is_not_there(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    there = Item(1, "A", "something", "nobody", ("a.txt",), "line 1")
    gone = Item(2, "A", "another", "nobody", ("b.txt", "a.txt"))
    absent = Item(3, "A", "a third", "nobody", ("c/*.txt",), "", "There is no c.")
    found = located(tmp_path, (there, absent))
    assert [one.said for one in found] == ["a.txt: line 1", "not in this package: There is no c."]
    with pytest.raises(TrialError, match=r"2 another: b\.txt"):
        located(tmp_path, (there, gone))


def test_part_that_leaves_nothing(tmp_path, study, answers):
    part = Part("nothing/here.txt", "nothing", "trials.evidence.simulating:write_seeds")
    with pytest.raises(TrialError, match=r"left nothing at nothing/here\.txt"):
        assemble(study, answers, tmp_path, (part,))


def test_every_part_can_be_imported():
    from importlib import import_module

    for part in PARTS:
        module, _, name = part.maker.partition(":")
        assert callable(getattr(import_module(module), name)), part.maker


def test_places_may_be_files_folders_and_patterns(tmp_path):
    write_json(tmp_path / "a" / "b.json", {})
    write_csv(tmp_path / "a" / "c" / "d.csv", ("x",), [(1,)])
    assert [path.name for path in made(tmp_path, "a")] == ["b.json", "d.csv"]
    assert [path.name for path in made(tmp_path, "a/*.json")] == ["b.json"]
    assert list(made(tmp_path, "b")) == []
    assert (media("x.xpt"), media("x")) == ("application/x-sas-xport", "application/octet-stream")


# ---- what is checked
def test_invalid_file_is_refused(tmp_path):
    write_json(tmp_path / "data" / "provenance" / "bco.json", {"object_id": 3})
    with pytest.raises(TrialError, match=r"bco\.json"):
        outcomes.write_schemas(None, None, tmp_path / "data")


def test_core_is_run_by_a_command(tmp_path):
    sdtm = tmp_path / "m5" / "datasets" / "x" / "tabulations" / "sdtm"
    write_json(sdtm / "dm.json", {})
    program = tmp_path / "core.py"
    program.write_text(
        "import json, sys; json.dump({'at': sys.argv[1], 'seconds': 3, 'rules': []}, open(sys.argv[2], 'w'))"
    )
    outcomes.write_core(None, None, tmp_path, f"python {program} {{data}} {{out}}")
    found = json.loads((tmp_path / "validation/core.json").read_text())
    assert found == {"run": True, "reports": {"m5/datasets/x/tabulations/sdtm": {"at": ".", "rules": []}}}
    with pytest.raises(TrialError, match="left no report"):
        outcomes.write_core(None, None, tmp_path, "python -c pass")
