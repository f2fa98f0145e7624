"""The parts of an evidence package: what is written where, by what, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.evidence.study import Study

type Progress = Callable[[str, int, int], None]
type Write = Callable[[Study, object, Path], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a package.

    Attributes
    ----------
    place
        File or folder of the payload that it makes; after it was called, there is something there.
    what
        What it is, for people who wait.
    maker
        ``module:function`` of what writes it, called with the study, the answers and the payload's folder.
    """

    place: str
    what: str
    maker: str

    def __call__(self, study: Study, answers: object, folder: Path) -> None:
        """Write it.

        Raises
        ------
        TrialError
            When nothing was written at its place.
        """
        module, _, name = self.maker.partition(":")
        write: Write = getattr(import_module(module), name)
        write(study, answers, folder)
        if not list(made(folder, self.place)):
            raise TrialError(f"package: {self.maker} left nothing at {self.place}")


PARTS: tuple[Part, ...] = ()
"""Every part, in the order in which they are made: later ones read what earlier ones wrote."""


def made(folder: Path, place: str) -> Iterator[Path]:
    """Files of the payload at a place: the file itself, those below a folder, or those that a pattern matches."""
    for found in sorted(folder.glob(place)):
        yield from (path for path in sorted(found.rglob("*")) if path.is_file()) if found.is_dir() else (found,)


def assemble(
    study: Study, answers: object, folder: Path, parts: Sequence[Part] = PARTS, *, progress: Progress | None = None
) -> None:
    """Write every part of a package below its payload folder, which holds the run already."""
    for number, part in enumerate(parts):
        if progress is not None:
            progress(part.what, number, len(parts))
        part(study, answers, folder)
    if progress is not None:
        progress("parts of the package", len(parts), len(parts))
