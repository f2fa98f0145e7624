"""One thing that is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: the file (or the number in it) and a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        """One line for the user."""
        return f"{self.path}: {self.message}"
