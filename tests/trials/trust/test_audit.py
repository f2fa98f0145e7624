"""The audit log: written from the first moment of a run, chained, and anything done to it is seen."""

import hashlib
import json
import multiprocessing
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from trials.errors import TrialError
from trials.trust import audit
from trials.trust.audit import LOG, START, Head, Log, canonical


@pytest.fixture
def log(tmp_path):
    """A log of five lines."""
    for number in range(5):
        audit.append(
            tmp_path,
            "step",
            f"thing {number}",
            old=None,
            new={"b": 1, "a": ["é\n", None]},
            reason="it must",
            actor="Éva",
        )
    return tmp_path / LOG


def test_lines_have_the_form_that_is_promised(log):
    lines = log.read_bytes().splitlines(keepends=True)
    before = START
    for number, line in enumerate(lines, 1):
        found = json.loads(line)
        assert list(found) == sorted(["seq", "ts", "actor", "action", "object", "old", "new", "reason", "prev", "hash"])
        digest = found.pop("hash")
        text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert (found["seq"], found["prev"], found["actor"]) == (number, before, "Éva")
        assert datetime.fromisoformat(found["ts"]).tzinfo == UTC
        before = digest
    assert audit.head(log.parent) == Head(5, before)
    assert Head.read(str(Head(5, before))) == Head(5, before)
    assert audit.check(log.parent) == ()


def test_canonical_form_is_that_of_rfc_8785():
    """The strings of RFC 8785, section 3.2.2, and its order of names."""
    value = {
        "string": '€$\x0f\nA\'B"\\\\"/',
        "literals": None,
        "numbers": 333333333,
        "a\r": "1",
        "1": "One",
        "\x7f": "D",
    }
    wanted = (
        '{"1":"One","a\\r":"1","literals":null,"numbers":333333333,'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/","\x7f":"D"}'
    )
    assert canonical(value) == wanted.encode()


@pytest.mark.parametrize("value", [1.5, True, 2**53, {"é": "x"}, "\ud800", [object()], {1: "x"}, float("nan")])
def test_what_other_languages_write_otherwise_is_refused(value):
    with pytest.raises(TrialError, match="audit: wants"):
        canonical(value)


def test_every_flipped_bit_is_seen(log):
    whole = log.read_bytes()
    for place in range(len(whole)):
        for bit in (0x01, 0x20) if place % 7 == 0 else (0x01,):
            log.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            assert audit.check(log.parent), f"byte {place}"
    log.write_bytes(whole)
    assert audit.check(log.parent) == ()


def test_removed_moved_added_and_doubled_lines_are_seen(log):
    lines = log.read_bytes().splitlines(keepends=True)
    changed = [
        lines[1:], lines[:2] + lines[3:], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]], [*lines, b"\n"],
        [*lines[:2], lines[1], *lines[2:]], [*lines, b"{}\n"], [*lines, b"not json\n"], [*lines, b'["list"]\n'],
    ]  # fmt: skip
    for each in changed:
        log.write_bytes(b"".join(each))
        (finding,) = audit.check(log.parent)
        assert finding.path.startswith("audit.jsonl line")


def test_a_line_written_otherwise_is_seen(log):
    """The same content in another form has the same hash; the form is part of what is promised."""
    lines = log.read_bytes().splitlines(keepends=True)
    for other in (json.dumps(json.loads(lines[2])), json.dumps(json.loads(lines[2]), separators=(",", ":"))):
        log.write_bytes(b"".join([*lines[:2], other.encode() + b"\n", *lines[3:]]))
        assert audit.check(log.parent)[0].path == "audit.jsonl line 3"


def test_cut_off_lines_are_seen_by_a_head_that_was_kept(log):
    kept, whole = audit.head(log.parent), log.read_bytes()
    lines = whole.splitlines(keepends=True)
    for number in range(5):
        log.write_bytes(b"".join(lines[:number]))
        assert audit.check(log.parent) == (), "the chain by itself cannot know"
        (finding,) = audit.check(log.parent, head=kept)
        assert "but its head was noted as 5 sha256:" in finding.message
    log.write_bytes(whole[:-1])
    assert "cut off" in audit.check(log.parent)[0].message
    log.unlink()
    assert "missing" in audit.check(log.parent)[0].message


def test_whoever_writes_the_chain_anew_is_seen_by_the_head(log):
    kept = audit.head(log.parent)
    entries = Log(log).entries()
    log.unlink()
    for entry in entries:
        Log(log).append(entry.action, "another", actor=entry.actor)
    assert audit.check(log.parent) == ()
    assert audit.check(log.parent, head=kept)


def test_nothing_is_appended_to_a_damaged_log(log):
    log.write_bytes(log.read_bytes()[:-1])
    with pytest.raises(TrialError, match="damaged, so nothing may be appended"):
        audit.append(log.parent, "step", "more")
    with pytest.raises(TrialError, match="damaged"):
        audit.head(log.parent)


def test_a_log_goes_on_from_another(log, tmp_path):
    first = audit.head(log.parent)
    second = Log(tmp_path / "more.jsonl", first)
    assert second.append("sign", "x").seq == 6
    assert second.check() == ()
    assert Log(tmp_path / "more.jsonl").check(), "it does not stand by itself"


def append_many(folder, name):
    for number in range(20):
        audit.append(folder, "step", f"{name} {number}")


def test_writers_at_the_same_time_wait_for_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=append_many, args=(tmp_path, name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert audit.check(tmp_path) == ()
    entries = Log(tmp_path / LOG).entries()
    assert [entry.seq for entry in entries] == list(range(1, 61))
    assert len({entry.object for entry in entries}) == 60


def test_who_is_at_work(monkeypatch):
    monkeypatch.setenv("TRIALTWIN_ACTOR", "  E. Noether ")
    assert audit.whoami() == "E. Noether"
    monkeypatch.delenv("TRIALTWIN_ACTOR")
    monkeypatch.setenv("LOGNAME", "emmy")
    assert audit.whoami() == "emmy"


def test_entry_has_the_fields_of_the_record(log):
    assert asdict(Log(log).entries()[0])["new"] == {"b": 1, "a": ["é\n", None]}


@pytest.mark.parametrize("text", ["", "5", "5 sha256:12", f"x sha256:{START}", f"5 sha256:{'g' * 64}"])
def test_head_that_is_none(text):
    with pytest.raises(TrialError, match="no head of a log"):
        Head.read(text)


def test_ordinary_tools_follow_the_chain(log):
    """What HOW-TO-VERIFY says: cut the hash out of a line and hash the rest."""
    line = log.read_text().splitlines()[2]
    digest = json.loads(line)["hash"]
    bare = line.replace(f'"hash":"{digest}",', "")
    done = subprocess.run(["sha256sum"], input=bare.encode(), capture_output=True, check=True)
    assert done.stdout.split()[0].decode() == digest
