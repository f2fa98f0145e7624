"""Whether the files of a package are those that its manifests list, byte for byte.

A digest proves that bytes are unchanged since they were listed; it does not prove who listed them or when. That takes
the signatures over ``tagmanifest-sha512.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trials.bag import MANIFEST, TAGMANIFEST, digest, parse, payload, render, tags
from trials.trust.finding import Finding


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
        elif (got := digest(folder / path, algorithm)) != listed[path]:
            yield Finding(path, f"was changed: {algorithm} is {got[:12]}…, the manifest says {str(listed[path])[:12]}…")


def tag_findings(bag: Path) -> Iterator[Finding]:
    """Compare the tag files with the tag manifest, byte for byte."""
    path = bag / TAGMANIFEST
    if not path.is_file():
        yield Finding(TAGMANIFEST, "is missing")
        return
    listed = parse(path.read_bytes())
    yield from differences(bag, listed, tags(bag), algorithm="sha512")
    if path.read_bytes() != render(listed):
        yield Finding(TAGMANIFEST, "is not written as it should be: it was edited")


def payload_findings(bag: Path) -> Iterator[Finding]:
    """Compare the payload with its manifest."""
    path = bag / MANIFEST
    if path.is_file():
        yield from differences(bag, parse(path.read_bytes()), payload(bag), algorithm="sha512")
