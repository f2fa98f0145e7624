"""Names by which files of a package are known in its provenance: the same wherever the package lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from trials.bag import DATA, RUN, digest
from trials.evidence.writing import media

if TYPE_CHECKING:
    from trials.evidence.answers import Answers, Person
    from trials.evidence.study import Study

HERE = f"{RUN.removeprefix(f'{DATA}/')}/"
"""The run's own folder in the payload."""


def identity(study: Study, *words: str) -> UUID:
    """UUID of something of a run: the same whenever it is asked for (RFC 9562, version 5)."""
    return uuid5(NAMESPACE_URL, ":".join(["trialtwin", study.manifest["digests"]["config"], study.finished, *words]))


def address(study: Study, path: str) -> str:
    """Absolute URI of a file of the payload: the ``arcp`` scheme, for what is inside an archive."""
    return f"arcp://uuid,{identity(study)}/{path}"


def listed(folder: Path, path: str, study: Study) -> dict[str, Any]:
    """A file as a BioCompute object names it: name, URI, time and SHA-1, the one digest that IEEE 2791 knows."""
    return {
        "filename": Path(path).name,
        "uri": address(study, path),
        "access_time": study.finished,
        "sha1_checksum": digest(folder / path, "sha1"),
    }


def described(folder: Path, path: str) -> dict[str, Any]:
    """Size, media type and SHA-256 of a file."""
    return {
        "sha256": digest(folder / path, "sha256"),
        "size": (folder / path).stat().st_size,
        "media": media(path),
    }


def named(answers: Answers) -> list[Person]:
    """People who stand for a package, those whose names are given."""
    return [person for person in answers.people if person.name]
