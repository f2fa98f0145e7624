"""Whether the files of a package are those that its manifests list, byte for byte.

A digest proves that bytes are unchanged since they were listed; it does not prove who listed them or when. That takes
the signatures over ``tagmanifest-sha512.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trials.bag import (
    BAGIT,
    DECLARATION,
    INFO,
    MANIFEST,
    SIGNATURES,
    TAGMANIFEST,
    digest,
    parse,
    payload,
    render,
    tags,
)
from trials.trust.enclosure import HANDOUT
from trials.trust.finding import Finding

NEEDED = (BAGIT, INFO, MANIFEST)
"""Tag files that every package has beside its tag manifest."""


def differences(
    folder: Path, listed: Mapping[str, str], present: Sequence[str], *, algorithm: str
) -> Iterator[Finding]:
    """Compare the files of a folder with what a manifest lists: digest by path."""
    for path in sorted({*listed, *present}):
        if path not in listed:
            yield Finding(path, "is not in the manifest: it was added later")
        elif path not in present:
            yield Finding(path, "is in the manifest and missing here")
        elif (folder / path).is_symlink() or not (folder / path).is_file():
            yield Finding(path, "is not a plain file")
        elif (got := _digest(folder / path, algorithm)) != listed[path]:
            yield Finding(path, f"was changed: {algorithm} is {_short(got)}, the manifest says {_short(listed[path])}")


def tag_findings(bag: Path) -> Iterator[Finding]:
    """Compare the tag files with the tag manifest, byte for byte."""
    path = bag / TAGMANIFEST
    if not path.is_file():
        yield Finding(TAGMANIFEST, "is missing")
        yield from _strangers(tags(bag))
        return
    listed, there = parse(path.read_bytes()), tags(bag)
    found = list(differences(bag, listed, there, algorithm="sha512"))
    told = {finding.path for finding in found}
    yield from found
    if found and not (bag / SIGNATURES).exists():
        yield Finding(TAGMANIFEST, f"or it says otherwise of {found[0].path} than it did: no signature tells which")
    if path.read_bytes() != render(listed):
        yield Finding(TAGMANIFEST, "is not written as it should be: it was edited")
    yield from (Finding(each, "is not a plain file") for each in (TAGMANIFEST, SIGNATURES) if (bag / each).is_symlink())
    yield from (Finding(each, "is missing: every package has it") for each in NEEDED if each not in {*there, *told})
    yield from _strangers([each for each in there if each not in told])
    if not told and (bag / BAGIT).is_file() and (bag / BAGIT).read_bytes() != DECLARATION:
        yield Finding(BAGIT, "does not declare a BagIt 1.0 bag in UTF-8")


def _strangers(names: Sequence[str]) -> Iterator[Finding]:
    """Tag files that no package has."""
    return (Finding(each, "belongs to no package") for each in names if each not in {*NEEDED, *HANDOUT})


def payload_findings(bag: Path) -> Iterator[Finding]:
    """Compare the payload with its manifest."""
    path = bag / MANIFEST
    if not path.is_file():
        return  # which the tag manifest tells of
    listed = parse(path.read_bytes())
    yield from differences(bag, listed, payload(bag), algorithm="sha512")
    if path.read_bytes() != render(listed):
        yield Finding(MANIFEST, "is not written as it should be: a line stands twice or elsewhere, or was edited")


def _digest(path: Path, algorithm: str) -> str:
    """Digest of a file, or that it cannot be read."""
    try:
        return digest(path, algorithm)
    except OSError as error:
        return f"unknown ({error.strerror})"


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 40 else text
