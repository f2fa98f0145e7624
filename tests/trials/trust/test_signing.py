"""Signatures: made in roles, verified by programs that we did not write."""

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace

import minisign
import pytest

from tests.trials.trust.packages import KEYS, NAMES, PEOPLE, entries, packaged, rewrite, signed_by
from trials.bag import DRAFT, STATUS
from trials.cli import main
from trials.errors import TrialError
from trials.trust import attestation, audit, keys
from trials.trust.keys import PublicKey, new_key, read_key
from trials.trust.roles import read_people, rendered
from trials.trust.signing import _add
from trials.verification import Wanted, verify


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return packaged(tmp_path_factory.mktemp("evidence") / "study-1")


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study-1")


@pytest.fixture(scope="module")
def released(made, tmp_path_factory):
    """Signed by everybody, released."""
    copy = shutil.copytree(made, tmp_path_factory.mktemp("released") / "study-1")
    for who in "dsrl":
        signed_by(copy, who)
    return copy


def outcome(report, name):
    return next(each for each in report.outcomes if each.name == name)


def test_everybody_signs_and_it_verifies(released):
    report = verify(released)
    assert report.ok, str(report)
    assert [entry["action"] for entry in entries(released)] == ["signed"] * 4
    assert "3. Rita Reviewer, reviewer: reviewed, 20" in outcome(report, "signatures").note
    head = audit.head(released / "data" / "audit")
    assert entries(released)[0]["prev"] == head.hash, "the log of signatures goes on from that of the run"
    assert entries(released)[3]["seq"] == head.seq + 4


def test_an_unsigned_package_says_so(bag):
    report = verify(bag)
    assert report.ok
    assert outcome(report, "signatures").state == "absent"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_minisign_verifies(released, number):
    key = minisign.PublicKey.from_file(released / "signatures" / f"{number}.pub")
    signature = minisign.Signature.from_file(released / "signatures" / f"{number}.minisig")
    key.verify_file(released / "tagmanifest-sha512.txt", signature)
    name, time, meaning, head = signature.trusted_comment.split("|")
    entry = entries(released)[number - 1]
    assert (time, meaning, head) == (entry["ts"], entry["new"]["meaning"], entry["prev"])
    assert name == entry["new"]["name"].replace("é", "\\xe9")


@pytest.mark.parametrize("number", [1, 4])
def test_openssl_verifies(released, number):
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"signatures/{number}.pem", "-rawin",
               "-in", "tagmanifest-sha512.txt", "-sigfile", f"signatures/{number}.sig"]  # fmt: skip
    done = subprocess.run(command, cwd=released, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command[command.index("tagmanifest-sha512.txt")] = "manifest-sha512.txt"
    assert subprocess.run(command, cwd=released, capture_output=True, check=False).returncode != 0


def test_openssl_verifies_the_attestation(released, tmp_path):
    """DSSE by its definition, without our code: the pre-authentication encoding of what is in the envelope."""
    import json

    envelope = json.loads((released / "signatures/3.dsse.json").read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", released / "signatures/3.pem", "-rawin",
               "-in", tmp_path / "pae", "-sigfile", tmp_path / "sig"]  # fmt: skip
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicate"]["role"] == "reviewer"
    digest = subprocess.run(["sha512sum", "tagmanifest-sha512.txt"], cwd=released, capture_output=True, check=True)
    assert statement["subject"][0]["digest"]["sha512"] == digest.stdout.split()[0].decode()


# ---- who may
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "designer"}, "a designer may not sign 'reviewed'"),
        ({"role": "releaser"}, "a releaser may not sign 'reviewed'"),
        ({"role": "king"}, "a king may not sign"),
        ({"name": "Nobody"}, "'Nobody' is none of the people of this package"),
        ({"name": NAMES["s"]}, "Stan Statistician is statistician, not reviewer; only a reviewer signs reviewed"),
        ({"name": NAMES["d"], "key": KEYS["d"]}, "is designer, not reviewer"),
        ({"key": KEYS["s"]}, "the key of Rita Reviewer is"),
    ],
)
def test_a_wrong_role_name_or_key_is_refused_and_noted(bag, changes, message):
    with pytest.raises(TrialError, match=re.escape(message)):
        signed_by(bag, "r", **changes)
    (entry,) = entries(bag)
    assert entry["action"] == "signature refused"
    assert message in entry["reason"]
    assert not (bag / "signatures").exists()
    assert verify(bag).ok
    signed_by(bag, "r")
    assert [entry["action"] for entry in entries(bag)] == ["signature refused", "signed"]
    assert verify(bag).ok


def test_whoever_ran_the_trial_does_not_review_it(bag):
    rows = [{"name": "Rita Reviewer", "roles": ["reviewer"], "key": KEYS["r"].public.text, "actor": "Désirée Designer"}]
    (bag / "data/audit/roles.json").write_bytes(rendered(read_people(rows)))
    rewrite(bag)
    with pytest.raises(TrialError, match="Rita Reviewer ran this trial, as its audit log says"):
        signed_by(bag, "r")


def test_nobody_is_maker_and_reviewer():
    for role in ("designer", "statistician"):
        with pytest.raises(TrialError, match=f"A is {role} and reviewer; nobody reviews their own work"):
            read_people([{"name": "A", "roles": ["reviewer", role]}])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "wants a list of people"),
        ([3], "wanted name, roles"),
        ([{"name": "A", "roles": ["designer"], "age": 3}], "got 'age'"),
        ([{"name": "A", "roles": []}], "1 or more distinct names"),
        ([{"name": "A", "roles": ["boss"]}], "got 'boss', wanted some of designer"),
        ([{"name": "A|B", "roles": ["designer"]}], "printable letters without |"),
        ([{"name": "A", "roles": ["designer"], "key": "RW"}], "wants a public key of minisign"),
        ([{"name": "A", "roles": ["designer"]}, {"name": "A", "roles": ["reviewer"]}], "the same name stands twice"),
        ([{"name": n, "roles": ["designer"]} for n in ("Ann B", "ann  b")], "the same name stands twice"),
        ([{"name": n, "roles": ["designer"]} for n in ("\u212brsa", "\u00c5rsa")], "the same name stands twice"),
        ([{"name": n, "roles": ["designer"], "actor": "jd"} for n in "AB"], "the same actor stands twice"),
        (
            [{"name": "A", "roles": ["designer"]}, {"name": "B", "roles": ["reviewer"], "actor": "a"}],
            "the actor 'a' of B is the name of A",
        ),
        (
            [{"name": n, "roles": ["designer"], "key": KEYS["d"].public.text} for n in "AB"],
            "the same key stands twice",
        ),
    ],
)
def test_people_who_are_none(rows, message):
    with pytest.raises(TrialError, match=re.escape(message)):
        read_people(rows)


def test_people_are_read_as_they_are_written(bag):
    import json

    assert read_people(json.loads((bag / "data/audit/roles.json").read_text())) == PEOPLE


def test_release_wants_a_review(bag):
    for who, wanted in (("d", "authored"), ("s", "analysed"), ("r", "reviewed")):
        with pytest.raises(TrialError, match=f"nobody has signed this package as {wanted}"):
            signed_by(bag, "l")
        if who != "r":
            signed_by(bag, who)
    signed_by(bag, "r", meaning="rejected")
    signed_by(bag, "r")
    with pytest.raises(TrialError, match="Rita Reviewer rejected this package"):
        signed_by(bag, "l")
    assert verify(bag).ok


def test_release_wants_everybody_who_has_a_key(bag):
    from trials.trust.roles import People, Person

    second = keys.SecretKey(bytes([9] * 8), bytes([9] * 32))
    third = keys.SecretKey(bytes([8] * 8), bytes([8] * 32))
    more = (Person("Rob", ("reviewer",), second.public), Person("Rik", ("reviewer",)))
    people = People((*PEOPLE.people, *more, Person("Lou", ("releaser",), third.public)))
    (bag / "data/audit/roles.json").write_bytes(rendered(people))
    rewrite(bag)
    for who in "dsr":
        signed_by(bag, who)
    with pytest.raises(TrialError, match="Rob, reviewer, has not signed 'reviewed'"):
        signed_by(bag, "l")
    signed_by(bag, "r", name="Rob", key=second)
    signed_by(bag, "l")
    with pytest.raises(TrialError, match="Lea Releaser has released this package; nothing is signed after that"):
        signed_by(bag, "l", name="Lou", key=third)
    assert verify(bag, wanted=Wanted(released=True)).ok
    signed_by(bag, "r", name="Rob", key=second, meaning="rejected")
    assert verify(bag).ok
    (finding,) = verify(bag, wanted=Wanted(released=True)).findings
    assert "no release" in finding.message, "somebody found out too late"


def test_a_draft_is_not_signed_and_says_so(bag):
    path = bag / "bag-info.txt"
    path.write_text(f"{path.read_text()}{STATUS}: {DRAFT}\n")
    rewrite(bag)
    for who in "dsrl":
        with pytest.raises(TrialError, match="a DRAFT is not signed"):
            signed_by(bag, who)
    report = verify(bag)
    assert outcome(report, "status").note == DRAFT
    assert report.ok
    _add(bag, KEYS["d"], name=NAMES["d"], role="designer", meaning="authored", reason="")
    assert "a DRAFT is not signed" in verify(bag).findings[0].message


def test_a_package_without_a_log_says_so_and_is_not_released(bag):
    import json

    (bag / "data/audit/audit.jsonl").unlink()
    info = [line for line in (bag / "bag-info.txt").read_text().splitlines() if not line.startswith("Audit-Head")]
    (bag / "bag-info.txt").write_text("\n".join(info) + "\n")
    rewrite(bag)
    report = verify(bag)
    assert outcome(report, "audit log").state == "absent"
    assert [finding.path for finding in report.findings] == ["data/audit/audit.jsonl"]
    assert json.loads((bag / "data/simulation/run/manifest.json").read_text())["audit"]
    for who in "dsr":
        signed_by(bag, who)
    with pytest.raises(TrialError, match="without the audit log of its run is not released"):
        signed_by(bag, "l")


def test_nothing_changed_is_signed_and_nobody_signs_twice(bag):
    signed_by(bag, "d")
    with pytest.raises(TrialError, match="has signed 'authored' already"):
        signed_by(bag, "d")
    (bag / "data/simulation/run/config.yaml").write_text("n: 3\n")
    with pytest.raises(TrialError, match=r"is not as it was made: data/simulation/run/config\.yaml: was changed"):
        signed_by(bag, "s")


def test_files_of_a_signature_are_never_overwritten(bag):
    (bag / "signatures").mkdir()
    (bag / "signatures" / "1.pub").write_text("mine")
    with pytest.raises(TrialError, match="is not as it was made"):
        signed_by(bag, "d")
    assert (bag / "signatures" / "1.pub").read_text() == "mine"


# ---- forgeries
def test_a_package_changed_with_all_its_manifests_is_seen(released, tmp_path):
    copy = shutil.copytree(released, tmp_path / "copy")
    (copy / "data/extra.txt").write_text("invented")
    rewrite(copy)
    paths = {finding.path for finding in verify(copy).findings}
    wanted = {f"signatures/{n}.{kind}" for n in (1, 2, 3, 4) for kind in ("minisig", "sig")}
    assert paths == {"tagmanifest-sha512.txt", *wanted}


@pytest.mark.parametrize("suffix", ["minisig", "pub", "sig", "pem", "dsse.json"])
def test_swapped_signatures_are_seen(released, tmp_path, suffix):
    copy = shutil.copytree(released, tmp_path / "copy")
    one, two = copy / f"signatures/1.{suffix}", copy / f"signatures/2.{suffix}"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert {f.path for f in verify(copy).findings} == {f"signatures/1.{suffix}", f"signatures/2.{suffix}"}


def test_a_signature_of_another_package_is_seen(released, bag):
    shutil.copytree(released / "signatures", bag / "signatures")
    shutil.copy(released / "signatures.jsonl", bag)
    assert verify(bag).ok, "the same run packaged twice is the same package"
    (bag / "bag-info.txt").write_text((bag / "bag-info.txt").read_text() + "Note: another\n")
    rewrite(bag)
    assert not verify(bag).ok


def test_a_log_written_anew_by_somebody_with_another_key_is_seen(bag):
    """Whoever makes their own chain and signs with their own key is none of the people the package names."""
    other = keys.SecretKey(bytes(8), bytes(32))
    _add(bag, other, name=NAMES["r"], role="reviewer", meaning="reviewed", reason="")
    (finding,) = verify(bag).findings
    assert finding.path == "signatures/1"
    assert "should not be there" in finding.message


@pytest.mark.parametrize("changes", [{"role": "designer"}, {"meaning": "rejected"}, {"name": "Désirée Designer"}])
def test_the_last_line_written_anew_is_seen(released, tmp_path, changes):
    """The chain does not hold its own end; what the signature says does."""
    copy = shutil.copytree(released, tmp_path / "copy")
    path = copy / "signatures.jsonl"
    lines, last = path.read_bytes().splitlines(keepends=True), entries(copy)[-1]
    made = replace(audit.Entry(**last), new={**last["new"], **changes})
    path.write_bytes(b"".join([*lines[:-1], replace(made, hash=made.digest).line]))
    assert not audit.Log(path, audit.Log(copy / "data/audit/audit.jsonl").head()).check()
    told = [str(finding) for finding in verify(copy).findings]
    assert "signatures/4.dsse.json: says something other than signatures.jsonl" in told


def test_an_attestation_that_another_key_signed_is_seen(released, tmp_path):
    """Everything fits, digests and chain too, but the signature is of somebody else's key."""
    import hashlib
    import json

    copy = shutil.copytree(released, tmp_path / "copy")
    path, log = copy / "signatures/4.dsse.json", copy / "signatures.jsonl"
    envelope = json.loads(path.read_bytes())
    other = attestation.envelope(base64.b64decode(envelope["payload"]), KEYS["s"])
    forged = other.replace(KEYS["s"].public.name.encode(), KEYS["l"].public.name.encode())
    with pytest.raises(TrialError, match="its signature does not hold"):
        attestation.opened(forged, KEYS["l"].public)
    path.write_bytes(forged)
    lines, last = log.read_bytes().splitlines(keepends=True), entries(copy)[-1]
    files = {**last["new"]["files"], "signatures/4.dsse.json": f"sha512:{hashlib.sha512(forged).hexdigest()}"}
    made = replace(audit.Entry(**last), new={**last["new"], "files": files})
    log.write_bytes(b"".join([*lines[:-1], replace(made, hash=made.digest).line]))
    assert [finding.path for finding in verify(copy).findings] == ["signatures/4.dsse.json"]
    done = alone(copy)
    assert done.returncode == 1
    assert "signatures/4.dsse.json: does not hold" in done.stdout


# ---- keys
def test_new_key_is_the_owners_alone_and_never_overwritten(tmp_path):
    public = new_key(tmp_path / "my.key", "geheim", operations=2**15, memory=2**24)
    assert stat.S_IMODE((tmp_path / "my.key").stat().st_mode) == 0o600
    assert PublicKey.read((tmp_path / "my.key.pub").read_text()) == public
    for other in ("my.key", "my.key.pub"):
        (tmp_path / other).rename(tmp_path / "aside")
        with pytest.raises(TrialError, match="never overwritten"):
            new_key(tmp_path / "my.key")
        assert not (tmp_path / other).exists()
        (tmp_path / "aside").rename(tmp_path / other)
    assert read_key(tmp_path / "my.key", "geheim").public == public


def test_a_release_key_never_shows_its_secret():
    assert "seed" not in repr(KEYS["d"])


def test_minisign_reads_our_keys_and_we_read_its(tmp_path):
    public = new_key(tmp_path / "ours", "pässword", operations=2**15, memory=2**24)
    theirs = minisign.SecretKey.from_file(tmp_path / "ours")
    theirs.decrypt("pässword")
    assert theirs.get_public_key().to_base64().decode() == public.text
    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt("x", opslimit=2**15, memlimit=2**24)
    (tmp_path / "theirs").write_bytes(bytes(pair.secret_key))
    assert keys.is_encrypted(tmp_path / "theirs")
    assert read_key(tmp_path / "theirs", "x").public.text == pair.public_key.to_base64().decode()
    with pytest.raises(TrialError, match="password of"):
        read_key(tmp_path / "theirs", "y")


@pytest.mark.parametrize(("limits", "wanted"), [((2**25, 2**30), (2**20, 1)), ((2**24, 2**27), (2**17, 4)),
                                               ((1, 10**6), (2**9, 2)), ((524288, 16777216), (2**14, 1))])  # fmt: skip
def test_cost_of_scrypt_is_libsodiums(limits, wanted):
    from minisign.scrypt import scrypt_params_from_limits

    theirs = scrypt_params_from_limits(*limits)
    assert keys._cost(*limits) == (theirs.N, max(1, theirs.p)) == wanted


@pytest.mark.parametrize("content", ["", "RWQ", "untrusted comment: x\nAAAA\n", "é"])
def test_what_is_no_key(tmp_path, content):
    (tmp_path / "key").write_text(content, encoding="utf-8")
    with pytest.raises(TrialError, match="key:"):
        read_key(tmp_path / "key")
    with pytest.raises(TrialError, match="wants a public key"):
        PublicKey.read(content)


def test_signature_is_that_of_rfc_8032():
    """Section 7.1, test 3."""
    seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    key = keys.SecretKey(bytes(8), seed)
    assert key.public.point.hex() == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    wanted = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert key.sign(b"\xaf\x82").hex() == wanted


# ---- the stand-alone verifier
def alone(folder):
    command = [sys.executable, "-I", folder / "verify.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})


def test_stand_alone_verifier_agrees(released):
    done = alone(released)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signed: Rita Reviewer, reviewer: reviewed" in done.stdout
    assert "the log and 4 signature(s) are as they were left" in done.stdout


def test_stand_alone_verifier_is_like_rfc_8032():
    from trials.trust import standalone

    for who in "dsrl":
        message = who.encode() * 100
        signature = KEYS[who].sign(message)
        assert standalone.signed(KEYS[who].public.point, message, signature)
        assert not standalone.signed(KEYS[who].public.point, message + b"x", signature)
        assert not standalone.signed(KEYS["d" if who != "d" else "s"].public.point, message, signature)
        high = int.from_bytes(signature[32:], "little") + standalone.L
        assert not standalone.signed(KEYS[who].public.point, message, signature[:32] + high.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "path",
    ["data/simulation/run/config.yaml", "data/audit/audit.jsonl", "bag-info.txt", "signatures.jsonl", "verify.py",
     "signatures/2.sig", "signatures/2.dsse.json", "signatures/2.minisig", "tagmanifest-sha512.txt"],
)  # fmt: skip
def test_stand_alone_verifier_sees_changes(released, tmp_path, path):
    copy = shutil.copytree(released, tmp_path / "copy")
    whole = (copy / path).read_bytes()
    place = whole.index(b"a") if b"a" in whole else 40
    (copy / path).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    done = subprocess.run(
        [sys.executable, "-I", released / "verify.py", copy], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout


def test_commands_of_the_hand_out_work(released):
    """What HOW-TO-VERIFY.txt tells a stranger to type, typed."""
    text = (released / "HOW-TO-VERIFY.txt").read_text()
    lines = [re.split(r" {6,}", line.strip())[0] for line in text.splitlines() if line.startswith("     ")]
    wanted = [line.replace("N.", "1.") for line in lines if line.startswith(("sha512sum", "openssl", "python3", "sed"))]
    assert len(wanted) == 6
    for line in wanted:
        done = subprocess.run(line, shell=True, cwd=released, capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stderr
        if line.startswith("sed"):
            assert done.stdout.split()[0] == audit.Log(released / "data/audit/audit.jsonl").entries()[1].hash


# ---- the command
def test_command_makes_a_key_and_signs(bag, tmp_path, capsys):
    key = tmp_path / "k"
    (tmp_path / "password").write_text("secret\n")
    assert main(["sign", "--new-key", str(key), "--no-password"]) == 0
    assert read_key(key).public.text in capsys.readouterr().out
    asked = ["--name", "Rita Reviewer", "--role", "reviewer", "--meaning", "reviewed"]
    assert main(["sign", str(bag), "--key", str(key), *asked]) == 2
    assert "is another" in capsys.readouterr().err
    assert main(["sign", "--new-key", str(key)]) == 2
    assert "nobody is here to ask for the password" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["sign", str(bag)])
    assert stopped.value.code == 2


def test_command_verifies_and_writes_a_page(released, tmp_path, capsys):
    import json

    page, content = tmp_path / "result.html", tmp_path / "result.json"
    assert main(["verify", str(released), "--out", str(page)]) == 0
    assert "Rita Reviewer" in capsys.readouterr().out
    assert "<span class='passed'>Verified</span>" in page.read_text()
    assert main(["verify", str(released), "--out", str(content)]) == 0
    found = json.loads(content.read_text())
    assert found["verified"] is True
    assert {check["state"] for check in found["checks"]} <= {"passed", "absent", "not done"}
    assert main(["verify", str(released), "--out", str(tmp_path / "result.doc")]) == 2
    assert main(["verify", str(tmp_path)]) == 2
    copy = shutil.copytree(released, tmp_path / "copy")
    (copy / "bag-info.txt").write_text("nothing")
    assert main(["verify", str(copy), "--out", str(page)]) == 3
    assert "Not verified" in page.read_text()
