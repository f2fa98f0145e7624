"""Packages forged with care, digests recomputed: verify names what is wrong, by an exit code of its own."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.trials.trust.packages import KEYS, NAMES, PEOPLE, packaged, rewrite, signed_by
from trials.bag import digest, parse, payload, render, tags
from trials.cli import main
from trials.trust.contents import CHECKS
from trials.trust.finding import CODES, Finding
from trials.trust.keys import SecretKey
from trials.trust.roles import People, Person, rendered
from trials.verification import Wanted, fixity, verify

MANIFEST, TAGMANIFEST = "manifest-sha512.txt", "tagmanifest-sha512.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return packaged(tmp_path_factory.mktemp("forged") / "study-1")


@pytest.fixture(scope="module")
def released(made, tmp_path_factory):
    copy = shutil.copytree(made, tmp_path_factory.mktemp("released") / "study-1")
    for who in "dsrl":
        signed_by(copy, who)
    assert verify(copy, wanted=Wanted(tuple(KEYS[who].public for who in "dsrl"), released=True)).ok
    return copy


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study-1")


@pytest.fixture
def copy(released, tmp_path):
    return shutil.copytree(released, tmp_path / "copy")


def sealed(bag):
    """Make the tag manifest fit again."""
    (bag / TAGMANIFEST).write_bytes(render({path: digest(bag / path, "sha512") for path in tags(bag)}))


def alone(bag, folder):
    """Exit code of the stand-alone verifier of one package for another."""
    command = [sys.executable, "-I", bag / "verify.py", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode


# ---- manifests
def doubled(lines):
    return [lines[0].replace(lines[0][:4], "0000", 1), *lines]


@pytest.mark.parametrize(
    "change",
    [doubled, lambda lines: [*lines, lines[0]], lambda lines: lines[::-1], lambda lines: [*lines, "rubbish"],
     lambda lines: [line.upper() for line in lines], lambda lines: [line.replace("  ", " *", 1) for line in lines],
     lambda lines: [f"{line}\r" for line in lines], lambda lines: lines[1:],
     lambda lines: [*lines, f"{'0' * 128}  data/../../outside"], lambda lines: [*lines, f"{'0' * 128}  /etc/hostname"],
     lambda lines: [line.replace("data/simulation", "data/./simulation") for line in lines]],
    ids=["another digest first", "a line twice", "another order", "rubbish", "capitals", "binary mark", "CRLF",
         "a line less", "outside", "absolute", "another spelling"],
)  # fmt: skip
def test_a_manifest_written_otherwise_is_seen(bag, change):
    path = bag / MANIFEST
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    sealed(bag)
    assert fixity(bag), path.read_text()[:300]
    assert main(["verify", str(bag)]) == CODES["files"][0] == 3


@pytest.mark.parametrize("name", [MANIFEST, "bag-info.txt", "bagit.txt"])
def test_a_tag_file_that_is_not_listed_any_more_is_missed(bag, released, name):
    (bag / name).unlink()
    sealed(bag)
    assert Finding(name, "is missing: every package has it") in fixity(bag)
    assert alone(released, bag) == 1


def test_files_that_no_package_has_are_seen_though_they_are_listed(bag):
    (bag / "fetch.txt").write_text("https://example.org/x 3 data/x\n")
    sealed(bag)
    assert [finding.path for finding in fixity(bag)] == ["fetch.txt"]


def test_another_declaration_is_seen(bag):
    (bag / "bagit.txt").write_text("BagIt-Version: 0.93\nTag-File-Character-Encoding: UTF-16\n")
    sealed(bag)
    assert [finding.path for finding in fixity(bag)] == ["bagit.txt"]


@pytest.mark.parametrize("name", [TAGMANIFEST, "signatures.jsonl", MANIFEST])
def test_links_in_place_of_manifests_are_seen(copy, tmp_path, name):
    shutil.move(copy / name, tmp_path / "aside")
    (copy / name).symlink_to(tmp_path / "aside")
    assert Finding(name, "is not a plain file") in fixity(copy)


def test_a_link_in_place_of_a_folder_is_seen(bag, tmp_path):
    shutil.move(bag / "data/audit", tmp_path / "aside")
    (bag / "data/audit").symlink_to(tmp_path / "aside", target_is_directory=True)
    found = fixity(bag)
    assert Finding("data/audit", "is not in the manifest: it was added later") in found
    assert {"data/audit/audit.jsonl", "data/audit/roles.json"} <= {finding.path for finding in found}


@pytest.mark.parametrize("name", ["data/audit/Roles.json", "data/audit/roles.json ", "data/audit/rôles.json"])
def test_a_renamed_file_is_seen_under_both_names(bag, name):
    (bag / "data/audit/roles.json").rename(bag / name)
    assert {finding.path for finding in fixity(bag)} == {"data/audit/roles.json", name}


def test_a_pipe_is_no_file_and_nothing_waits_for_it(bag, released):
    (bag / "data/audit/roles.json").unlink()
    os.mkfifo(bag / "data/audit/roles.json")
    assert Finding("data/audit/roles.json", "is not a plain file") in fixity(bag)
    assert alone(released, bag) == 1


def test_names_that_would_draw_on_the_screen_are_told_by_number(bag, capsys):
    (bag / "data/\x1b[2J\nverified").write_text("")
    (bag / os.fsdecode(b"data/\xff")).write_text("")
    assert main(["verify", str(bag)]) == 3
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "data/\\x1b[2J\\nverified" in told
    assert "data/\\udcff" in told


def test_an_unlisted_file_beside_the_signatures_is_seen_alone(copy):
    (copy / "signatures-of-others.txt").write_text("")
    assert fixity(copy)
    assert alone(copy, copy) == 1


def test_an_old_tag_manifest_does_not_fit_a_package_made_anew(released, copy):
    """Payload and manifests made anew, the tag manifest and the signatures of the package before put back."""
    (copy / "data/simulation/run/report.html").write_text("better")
    rewrite(copy)
    shutil.copy(released / TAGMANIFEST, copy)
    found = {finding.path for finding in fixity(copy)}
    assert {"manifest-sha512.txt", "bag-info.txt"} <= found
    assert alone(released, copy) == 1


# ---- what the label says
@pytest.mark.parametrize(
    ("before", "after"),
    [("Run-Manifest-SHA256: ", "Run-Manifest-SHA256: 0"), ("Payload-Oxum: ", "Payload-Oxum: 1"),
     ("SIMULATED DATA", "DATA"), ("theophylline", "aspirin"), ("Bagging-Date: 2", "Bagging-Date: 1"),
     ("trialtwin ", "trialtwin 9."), ("Payload-Oxum", "Contact-Name: A\nPayload-Oxum"),
     ("Payload-Oxum", "Package-Status: FINAL\nPayload-Oxum")],
)  # fmt: skip
def test_a_label_that_says_something_else(bag, before, after):
    path = bag / "bag-info.txt"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    sealed(bag)
    (finding,) = verify(bag).findings
    assert finding.path == "bag-info.txt"
    assert main(["verify", str(bag)]) == CODES["agreement"][0] == 8


def test_a_draft_that_says_it_is_none(bag):
    path = bag / "data/model/assessment-table.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"missing": ["question"], "criteria": []}))
    rewrite(bag)
    (finding,) = verify(bag).findings
    assert "says Package-Status: None, the payload DRAFT" in finding.message
    with (bag / "bag-info.txt").open("a") as file:
        file.write("Package-Status: DRAFT: answers that only a person can give are missing\n")
    rewrite(bag)
    assert verify(bag).ok


# ---- logs and signatures
def test_a_log_that_is_cut_and_one_that_is_changed_have_their_exit_code(bag):
    path = bag / "data/audit/audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (lines[:-1], lines[1:], [lines[0].replace(b"feasibility", b"feasible"), *lines[1:]]):
        path.write_bytes(b"".join(changed))
        manifest = {each: digest(bag / each, "sha512") for each in payload(bag)}
        (bag / MANIFEST).write_bytes(render(manifest))
        sealed(bag)
        assert {finding.path.split()[0] for finding in fixity(bag)} == {"data/audit/audit.jsonl"}
        assert main(["verify", str(bag)]) == CODES["log"][0] == 4


def test_other_people_with_other_keys_hold_only_for_who_knows_no_key(copy):
    """Whoever makes everything anew, keys and all, is known by the keys: that is what --key is for."""
    others = {who: SecretKey(bytes([n] * 8), bytes([n] * 32)) for n, who in enumerate("dsrl", 50)}
    named = zip(PEOPLE.people, "dsrl", strict=True)
    people = People(tuple(Person(one.name, one.roles, others[who].public) for one, who in named))
    shutil.rmtree(copy / "signatures")
    (copy / "signatures.jsonl").unlink()
    (copy / "data/audit/roles.json").write_bytes(rendered(people))
    rewrite(copy)
    for who in "dsrl":
        signed_by(copy, who, key=others[who])
    assert main(["verify", str(copy), "--released"]) == 0
    assert main(["verify", str(copy), "--released", "--key", others["l"].public.text]) == 0
    assert main(["verify", str(copy), "--released", "--key", KEYS["l"].public.text]) == CODES["signatures"][0] == 5


def test_signatures_that_were_all_taken_away_are_missed_where_they_are_asked_for(copy, tmp_path):
    shutil.rmtree(copy / "signatures")
    (copy / "signatures.jsonl").unlink()
    assert main(["verify", str(copy)]) == 0, "it is a package that nobody signed"
    assert main(["verify", str(copy), "--released"]) == 5
    (tmp_path / "lea.pub").write_bytes(KEYS["l"].public.file)
    assert main(["verify", str(copy), "--key", str(tmp_path / "lea.pub")]) == 5
    assert main(["verify", str(copy), "--key", "no key"]) == 2


def test_another_key_beside_a_signature_is_seen_alone(copy):
    """The stand-alone verifier does not only trust the digests of the log, whose last line anybody can write anew."""
    from dataclasses import replace
    from hashlib import sha512

    from trials.trust import audit

    (copy / "signatures/4.pub").write_bytes(KEYS["s"].public.file)
    lines = (copy / "signatures.jsonl").read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])
    files = last["new"]["files"] | {"signatures/4.pub": f"sha512:{sha512(KEYS['s'].public.file).hexdigest()}"}
    forged = replace(audit.Entry(**last), new={**last["new"], "files": files})
    (copy / "signatures.jsonl").write_bytes(b"".join([*lines[:-1], replace(forged, hash=forged.digest).line]))
    assert [finding.path for finding in fixity(copy)] == ["signatures/4.pub"]
    assert alone(copy, copy) == 1


def test_a_line_of_the_log_that_only_looks_the_same_is_seen_alone(copy):
    path = copy / "signatures.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq"', b' "seq"', 1))
    assert fixity(copy)
    assert alone(copy, copy) == 1


# ---- order of signatures
def test_signatures_that_went_around_the_rules_are_seen(bag):
    """Whoever has a key and no patience: the same rules hold for whoever verifies."""
    from trials.trust.signing import _add

    _add(bag, KEYS["l"], name=NAMES["l"], role="releaser", meaning="released", reason="")
    (finding,) = fixity(bag)
    assert finding.path == "signatures/1"
    assert "nobody has signed this package as authored" in finding.message
    for _ in range(2):
        _add(bag, KEYS["d"], name=NAMES["d"], role="designer", meaning="authored", reason="")
    assert "has signed 'authored' already" in fixity(bag)[-1].message
    assert main(["verify", str(bag)]) == 5


def test_every_check_has_a_kind_with_a_code_of_its_own():
    assert {check.kind for check in CHECKS} <= set(CODES)
    codes = [code for code, _ in CODES.values()]
    assert codes == sorted(set(codes))
    assert not {0, 1, 2} & set(codes)


def test_a_forged_manifest_is_read_as_it_is_written():
    assert parse(render({"data/a": "1"})) == {"data/a": "1"}
