"""The last section of a draft: what nobody has answered yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports.document import Paragraph, Section

if TYPE_CHECKING:
    from trials.evidence.answers import Answers


def not_given(answers: Answers) -> tuple[Section, ...]:
    """A section that lists the answers a draft lacks; none when it lacks none."""
    if not answers.missing:
        return ()
    note = "This is a draft. These answers, which only a person can give, are missing:"
    listed = ", ".join(f"`{name}`" for name in answers.missing)
    return (Section("What is missing", [Paragraph(f"{note} {listed}.")]),)
