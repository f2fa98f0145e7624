"""The form of a BagIt 1.0 bag (RFC 8493): which files it has and how its manifests are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

BAGIT = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha512.txt"
TAGMANIFEST = "tagmanifest-sha512.txt"
DATA = "data"
"""Folder of the payload."""
RUN = "data/simulation/run"
"""Where a package holds the run's own folder: what everything else in it was made from."""
AUDIT = "data/audit/audit.jsonl"
"""Where a package holds the audit log of its run, up to its end."""
SIGNATURES, SIGNED = "signatures.jsonl", "signatures/"
"""The log of who signed a package, which goes on from that of the run, and the folder of their signatures. The tag
manifest does not list them, since it is what they sign."""
STATUS, DRAFT = "Package-Status", "DRAFT: answers that only a person can give are missing"
"""Field of ``bag-info.txt`` of a package that is a draft, and what it says."""
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def files(folder: Path) -> list[str]:
    """Relative paths, with /, of everything under `folder` that is no folder, in order of name."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def payload(bag: Path) -> list[str]:
    """Paths of the payload: everything in ``data/``."""
    return [path for path in files(bag) if path.startswith("data/")]


def tags(bag: Path) -> list[str]:
    """Paths of the tag files: everything outside ``data/`` but the tag manifest itself and its signatures."""
    outside = ("data/", SIGNED)
    return [path for path in files(bag) if not path.startswith(outside) and path not in (TAGMANIFEST, SIGNATURES)]


def signed(bag: Path) -> list[str]:
    """Paths of the signatures."""
    return [path for path in files(bag) if path.startswith(SIGNED)]


def info(bag: Path) -> dict[str, str]:
    """Metadata of a bag by name, as ``bag-info.txt`` has them; empty when it has none."""
    path = bag / INFO
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def is_draft(bag: Path) -> bool:
    """Whether a package was made as a draft."""
    return STATUS in info(bag)


def digest(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def render(listed: Mapping[str, str]) -> bytes:
    """Manifest text: one line a file, digest, two blanks and the path with %, CR and LF percent-encoded, in order."""
    rows = (f"{value}  {_encode(path)}\n" for path, value in sorted(listed.items()))
    return "".join(rows).encode()


def parse(content: bytes) -> dict[str, str]:
    """Digest by path of a manifest; what `render` would not have written is left to a comparison of the bytes."""
    lines = content.decode("utf-8", errors="replace").split("\n")
    rows = [line.split("  ", 1) for line in lines if "  " in line]
    return {_decode(path): value for value, path in rows}


def _encode(path: str) -> str:
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def _decode(path: str) -> str:
    return path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
