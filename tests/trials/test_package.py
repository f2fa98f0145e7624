"""Packages of a run: a BagIt bag whose every byte is verified."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

import trials.manifest
from trials.bag import RUN, parse, render
from trials.errors import TrialError
from trials.packaging import package
from trials.verification import verify


@pytest.fixture
def bag(run_folder, tmp_path):
    return package(run_folder, tmp_path / "evidence" / "study-1", parts=())


def every_file(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in every_file(folder)}


def test_bag_has_the_form_of_rfc_8493(bag, run_folder):
    assert (bag / "bagit.txt").read_bytes() == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    assert {path.name for path in bag.iterdir()} == {
        "bagit.txt", "bag-info.txt", "manifest-sha512.txt", "tagmanifest-sha512.txt", "data", "HOW-TO-VERIFY.txt",
        "verify.py",
    }  # fmt: skip
    assert content(bag / RUN) == content(run_folder)
    lines = (bag / "manifest-sha512.txt").read_text().splitlines()
    assert len(lines) == len(every_file(run_folder))
    digest, name = lines[0].split("  ", 1)
    assert hashlib.sha512((bag / name).read_bytes()).hexdigest() == digest
    assert any("power 100 %25.svg" in line for line in lines)
    tags = parse((bag / "tagmanifest-sha512.txt").read_bytes())
    assert set(tags) == {"bagit.txt", "bag-info.txt", "manifest-sha512.txt", "HOW-TO-VERIFY.txt", "verify.py"}


def test_bag_info_says_what_it_is(bag, run_folder):
    info = dict(line.split(": ", 1) for line in (bag / "bag-info.txt").read_text().splitlines())
    sizes = [path.stat().st_size for path in every_file(run_folder)]
    assert info["Payload-Oxum"] == f"{sum(sizes)}.{len(sizes)}"
    assert info["External-Description"].startswith("SIMULATED DATA")
    manifest = json.loads((run_folder / "manifest.json").read_text())
    assert manifest["digests"]["config"] in info["External-Identifier"]
    assert info["Bagging-Date"] == "2026-01-02"


def test_packaged_twice_has_the_same_bytes(bag, run_folder, tmp_path):
    for path in every_file(run_folder):
        os.utime(path, (1, 1))
    assert content(package(run_folder, tmp_path / "again", parts=())) == content(bag)


def test_ordinary_tools_verify_it(bag):
    # sha512sum does not know BagIt's percent encoding, so the one name that has it is left out
    plain = [line for line in (bag / "manifest-sha512.txt").read_text().splitlines() if "%25" not in line]
    done = subprocess.run(
        ["sha512sum", "--check", "--quiet", "-"], input="\n".join(plain), text=True, cwd=bag, check=False
    )
    assert done.returncode == 0


def test_package_verifies(bag):
    report = verify(bag)
    assert report.ok, str(report)
    assert report.exit_code == 0
    assert len(report.checked) == len(every_file(bag)) - 1


def test_any_flipped_byte_is_found(bag):
    for path in every_file(bag):
        whole = path.read_bytes()
        for place in sorted({0, len(whole) // 3, len(whole) // 2, len(whole) - 1}):
            for bit in (0x01, 0x20):
                changed = bytearray(whole)
                changed[place] ^= bit
                path.write_bytes(changed)
                assert verify(bag).findings, f"{path.name} byte {place} bit {bit}"
        path.write_bytes(whole)
    assert verify(bag).ok


def test_truncated_added_and_removed_files_are_found(bag):
    for path in every_file(bag):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert not verify(bag).ok, f"truncated {path.name}"
        path.unlink()
        if path.name == "bagit.txt":
            with pytest.raises(TrialError, match="no package of a run"):
                verify(bag)
        else:
            assert not verify(bag).ok, f"removed {path.name}"
        path.write_bytes(whole)
    for added in (bag / "extra.txt", bag / "data" / "extra.txt", bag / RUN / "figures" / ".hidden"):
        added.write_text("")
        report = verify(bag)
        assert any("added later" in finding.message for finding in report.findings), added
        added.unlink()
    assert verify(bag).ok


def test_link_in_place_of_a_file_is_found(bag, tmp_path):
    path = bag / RUN / "config.yaml"
    copy = tmp_path / "copy.yaml"
    shutil.move(path, copy)
    path.symlink_to(copy)
    assert [str(finding) for finding in verify(bag).findings] == [f"{RUN}/config.yaml: is not a plain file"]


def test_consistent_forgery_is_found_by_the_numbers(bag):
    """Whoever changes a number and every digest above it still disagrees with the outcomes."""
    data = bag / RUN
    found = json.loads((data / "characteristics.json").read_text())
    found["gmr_125"]["auc"]["type_1_error"]["value"] = 0.05
    (data / "characteristics.json").write_text(json.dumps(found))
    manifest = json.loads((data / "manifest.json").read_text())
    trials.manifest.write(data, {**manifest, "files": trials.manifest.file_digests(data)})
    rewrite(bag)
    report = verify(bag)
    assert [finding.path for finding in report.findings] == [
        f"{RUN}/characteristics.json gmr_125.auc.type_1_error.value"
    ]


def rewrite(bag):
    """Make the manifests of a bag fit what it holds."""
    from trials.bag import digest, info, payload, tags
    from trials.trust.enclosure import labelled

    lines = {**info(bag), **labelled(bag, json.loads((bag / RUN / "manifest.json").read_text()))}
    (bag / "bag-info.txt").write_text("".join(f"{name}: {value}\n" for name, value in sorted(lines.items())))
    (bag / "manifest-sha512.txt").write_bytes(render({path: digest(bag / path, "sha512") for path in payload(bag)}))
    (bag / "tagmanifest-sha512.txt").write_bytes(render({path: digest(bag / path, "sha512") for path in tags(bag)}))


def test_existing_target_is_refused(bag, run_folder):
    with pytest.raises(TrialError, match="exists already"):
        package(run_folder, bag)


def test_target_inside_the_run_is_refused(run_folder):
    with pytest.raises(TrialError, match="lies inside the run"):
        package(run_folder, run_folder / "bag")


def test_unfinished_run_is_refused(run_folder, tmp_path):
    (run_folder / "manifest.json").unlink()
    with pytest.raises(TrialError, match="no finished run"):
        package(run_folder, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_a_run_of_other_code_is_refused(monkeypatch):
    """Data of example trials that are not those of the outcomes would be no evidence of anything."""
    from types import SimpleNamespace

    from trials.evidence.verifying import Repeated
    from trials.packaging import _refuse_other

    study = SimpleNamespace(manifest={"versions": {"trialtwin": "0.1.0"}})
    for again, refused in ((0.5, False), (0.5 + 1e-9, False), (0.51, True), (float("nan"), True)):
        rows = (Repeated("null", 3, "auc", 0.5, again),)
        monkeypatch.setattr("trials.evidence.verifying.repeated", lambda _, rows=rows: rows)
        if refused:
            with pytest.raises(
                TrialError, match=r"null, replicate 3, .* made by other code \(trialtwin 0\.1\.0; this is"
            ):
                _refuse_other(study)
        else:
            _refuse_other(study)


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_changed_run_is_refused_and_nothing_is_left(run_folder, tmp_path, change):
    path = run_folder / "characteristics.json"
    if change == "edit":
        path.write_text(path.read_text().replace("0", "1", 1))
    elif change == "add":
        (run_folder / "more.txt").write_text("x")
    else:
        path.unlink()
    with pytest.raises(TrialError, match="is not as its run left it"):
        package(run_folder, tmp_path / "out" / "bag", parts=())
    assert not (tmp_path / "out").exists()


def test_broken_copy_leaves_nothing(run_folder, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(f"disk full copying {args[0]}")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(OSError, match="disk full"):
        package(run_folder, tmp_path / "out" / "bag", parts=())
    assert list((tmp_path / "out").iterdir()) == []


def test_manifest_survives_awkward_names():
    listed = {"data/a\nb": "1", "data/50 %25": "2", "data/c\rd  e": "3", "data/ü": "4"}
    assert parse(render(listed)) == listed
