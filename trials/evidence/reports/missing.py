"""The last section of a draft: what nobody has answered yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports.document import Grid, Paragraph, Section
from trials.evidence.reports.naming import asked

if TYPE_CHECKING:
    from trials.evidence.answers import Answers


def not_given(answers: Answers) -> tuple[Section, ...]:
    """A section that lists the answers a draft lacks; none when it lacks none."""
    if not answers.missing:
        return ()
    note = "This is a draft: answers that only a person can give are missing."
    rows = [(asked(name, answers), f"`{name}`") for name in answers.missing]
    table = Grid("What is missing.", ("Answer", "Field of the file of answers"), rows, widths=(6, 4))
    return (Section("What is missing", [Paragraph(note), table]),)
