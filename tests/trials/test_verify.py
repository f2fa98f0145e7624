"""Checking a run folder: its files, its configuration, and its numbers computed anew."""

import json

import pytest

import trials.manifest
from trials.errors import TrialError
from trials.verification import check, verify


def renew(folder, **changes):
    """Write the manifest anew, as someone would who wants changes to pass unnoticed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    trials.manifest.write(folder, {**manifest, **changes, "files": trials.manifest.file_digests(folder)})


def test_run_as_it_was_left(run_folder):
    report = check(run_folder)
    assert report.ok
    assert report.exit_code == 0
    assert "verified (4 files)" in str(report)


@pytest.mark.parametrize("name", ["config.yaml", "outcomes.parquet", "characteristics.json", "figures/power 100 %.svg"])
def test_changed_missing_and_added_files(run_folder, name):
    path = run_folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert [finding.path for finding in check(run_folder).findings] == [name]
    path.unlink()
    assert "missing" in check(run_folder).findings[0].message
    path.write_bytes(whole)
    (run_folder / "new").write_text("")
    assert "added later" in check(run_folder).findings[0].message
    assert check(run_folder).exit_code == 1


def test_changed_configuration(run_folder):
    path = run_folder / "config.yaml"
    path.write_text(path.read_text().replace("n: 24", "n: 48"))
    renew(run_folder)
    assert [finding.path for finding in check(run_folder).findings] == ["config.yaml"]


def test_configuration_written_otherwise_is_the_same(run_folder):
    path = run_folder / "config.yaml"
    path.write_text("# a remark\n" + path.read_text() + "cluster: {workers: 7}\n")
    renew(run_folder)
    assert check(run_folder).ok


def test_changed_outcomes(run_folder):
    import pandas as pd

    table = pd.read_parquet(run_folder / "outcomes.parquet")
    table.loc[table["scenario"] == "gmr_125", "decision"] = False
    table.to_parquet(run_folder / "outcomes.parquet", index=False)
    renew(run_folder)
    paths = [finding.path for finding in check(run_folder).findings]
    assert paths[0] == "outcomes.parquet"
    assert "characteristics.json gmr_125.auc.type_1_error.value" in paths


def test_changed_characteristic(run_folder):
    path = run_folder / "characteristics.json"
    found = json.loads(path.read_text())
    found["gmr_095"]["auc"]["coverage"]["mcse"] *= 1 + 1e-6
    path.write_text(json.dumps(found))
    renew(run_folder)
    assert [finding.path for finding in check(run_folder).findings] == [
        "characteristics.json gmr_095.auc.coverage.mcse"
    ]


def test_missing_and_invented_characteristics(run_folder):
    path = run_folder / "characteristics.json"
    found = json.loads(path.read_text())
    del found["gmr_095"]["auc"]["bias"]
    found["gmr_095"]["auc"]["luck"] = {"value": 1.0, "mcse": 0.0, "replicates": 1}
    path.write_text(json.dumps(found))
    renew(run_folder)
    paths = {finding.path for finding in check(run_folder).findings}
    assert paths == {"characteristics.json gmr_095.auc.bias", "characteristics.json gmr_095.auc.luck"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": 3}', '{"files": {}}', '{"files": {}, "digests": {}}', '{"digests": 3}']
)
def test_manifest_that_is_none(run_folder, text):
    (run_folder / "manifest.json").write_text(text)
    with pytest.raises(TrialError, match="manifest"):
        check(run_folder)


def test_what_is_no_run_and_no_package(tmp_path):
    with pytest.raises(TrialError, match="no finished run"):
        check(tmp_path)
    with pytest.raises(TrialError, match="no package of a run"):
        verify(tmp_path)
