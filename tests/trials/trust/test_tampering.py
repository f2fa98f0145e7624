"""Any byte changed, any file or line removed or cut: verify says which, and exits with the code of it."""

import shutil

import pytest

from tests.trials.trust.packages import packaged, signed_by
from trials.bag import files
from trials.cli import main
from trials.trust.contents import CHECKS
from trials.verification import fixity, verify


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A package signed by two."""
    made = packaged(tmp_path_factory.mktemp("tampered") / "study-1")
    for who in "dr":
        signed_by(made, who)
    assert verify(made).ok
    return made


@pytest.fixture
def bag(signed, tmp_path):
    return shutil.copytree(signed, tmp_path / "study-1")


def named(findings, path):
    """Whether one of the findings is about the file: by its name, or the signature it belongs to."""
    about = {path, path.removeprefix("data/")}
    return any(each.path == one or each.path.startswith(f"{one} ") for each in findings for one in about)


def changes(content):
    """Changed contents, and what was done: flips at both ends and within, a byte less, a byte more, nothing left."""
    for place, bit in ((0, 0x01), (len(content) // 2, 0x20), (len(content) - 1, 0x01)) if content else ():
        yield f"bit {bit} of byte {place}", content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
    if content:
        yield "the last byte cut", content[:-1]
        yield "half cut", content[: len(content) // 2]
        yield "emptied", b""
    yield "a byte added", content + b"\n"


def test_every_file_changed_or_removed_is_named(bag):
    for path in files(bag):
        place = bag / path
        whole = place.read_bytes()
        for what, content in changes(whole):
            place.write_bytes(content)
            assert named(fixity(bag), path), f"{path}: {what}: {list(map(str, fixity(bag)))[:3]}"
        place.unlink()
        if path == "bagit.txt":
            assert main(["verify", str(bag)]) == 2
        assert named(fixity(bag), path), f"{path} removed"
        place.write_bytes(whole)
    assert not fixity(bag)


def test_every_line_of_the_logs_removed_doubled_or_moved_is_seen(bag):
    for path in ("signatures.jsonl", "data/audit/audit.jsonl"):
        place = bag / path
        lines = place.read_bytes().splitlines(keepends=True)
        for number in range(len(lines)):
            for changed in (
                lines[:number] + lines[number + 1 :],
                lines[: number + 1] + lines[number:],
                lines[:number],
                [*lines[:number], *lines[number + 1 :], lines[number]] if number + 1 < len(lines) else lines[::-1],
            ):
                place.write_bytes(b"".join(changed))
                assert fixity(bag), f"{path} line {number + 1}"
        place.write_bytes(b"".join(lines))
    assert not fixity(bag)


@pytest.mark.parametrize(
    "added", ["extra.txt", "data/extra.txt", "data/m5/.hidden", "signatures/3.sig", "signatures/x"]
)
def test_added_files_are_named(bag, added):
    path = bag / added
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert {finding.path for finding in fixity(bag)} - {"signatures.jsonl"} == {added}


def test_a_link_in_place_of_a_file_is_named(bag, tmp_path):
    for path in ("data/simulation/run/config.yaml", "signatures/1.sig"):
        shutil.move(bag / path, tmp_path / "aside")
        (bag / path).symlink_to(tmp_path / "aside")
        assert named(fixity(bag), path)
        (bag / path).unlink()
        shutil.move(tmp_path / "aside", bag / path)
    assert not fixity(bag)


def test_the_command_says_which_and_exits_with_the_code_of_files(bag, capsys):
    path = bag / "data/simulation/run/outcomes.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert main(["verify", str(bag)]) == 3
    told = capsys.readouterr().out
    path.write_bytes(whole)
    assert "data/simulation/run/outcomes.parquet: was changed" in told
    assert told.count("not done") == len(CHECKS) + 2, "what is changed is not looked into"
    assert main(["verify", str(bag)]) == 0
