"""Tables of what was verified when the package was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trials.evidence.reports.content import MANIFEST, OUTCOMES, clean
from trials.evidence.reports.document import Block, Grid, Paragraph, Trace
from trials.evidence.verifying import (
    TIGHTER,
    Compared,
    exact_solutions,
    installed,
    library_solutions,
    refined,
    repeated,
)

if TYPE_CHECKING:
    from trials.evidence.study import Study

WIDTHS = (1.6, 2.6, 3.6, 1.3, 1.3, 1.1, 1.0, 0.8)


def exact(study: Study) -> list[Block]:
    """The trial's model against numbers found without this program."""
    found = exact_solutions(study)
    if not found:
        return [Paragraph("The model's file brings no exact solution or published value along.")]
    return [
        _compared("The model of the trial against numbers found without this program.", found, "model of the trial")
    ]


def library() -> Grid:
    """Models of the library against their exact solutions."""
    caption = "Models of the library against their exact solutions, with the solver the program chooses."
    return _compared(caption, library_solutions(), "checks of the library")


def _compared(caption: str, found: Sequence[Compared], where: str) -> Grid:
    rows = [
        (
            f"`{one.model}`",
            one.what,
            clean(one.source),
            f"{one.wanted:.6g}",
            f"{one.found:.6g}",
            f"{one.difference:.1e}",
            f"{one.tolerance:g}",
            "yes" if one.passed else "**no**",
        )
        for one in found
    ]
    head = ("Model", "What", "Found elsewhere, by", "Wanted", "Found", "Relative difference", "Allowed", "Passed")
    source = Trace("model/model.yaml", where, "computed when the package was made", "engine.checking")
    return Grid(caption, head, rows, (3, 4, 5, 6), source, WIDTHS)


def refinement(study: Study) -> list[Block]:
    """What smaller tolerances change."""
    found = refined(study)
    if not found:
        return [Paragraph("The equations are solved exactly: there are no tolerances to make smaller.")]
    rows = [(f"`{one.measurement}`", f"{one.difference:.2e}") for one in found]
    caption = f"Largest change of the true values of the first example trial with tolerances {TIGHTER:g} times smaller."
    source = Trace(
        "example trial 1",
        "true values of all subjects",
        "difference relative to the largest value",
        "trials.evidence.verifying",
    )
    return [Grid(caption, ("Measurement", "Relative change"), rows, (1,), source)]


def repetition(study: Study) -> Grid:
    """Stored outcomes against those of the same replicates simulated again."""
    rows = [
        (
            f"`{one.scenario}`",
            str(one.replicate),
            f"`{one.analysis}`",
            repr(one.stored),
            repr(one.again),
            "yes" if one.same else "**no**",
        )
        for one in repeated(study)
    ]
    head = ("Scenario", "Replicate", "Analysis", "Stored estimate", "Simulated again", "The same")
    source = Trace(OUTCOMES, "the example trials", "equality to the last bit", "trials.block")
    return Grid("Example trials simulated again when the package was made.", head, rows, (1, 3, 4), source)


def versions(study: Study) -> Grid:
    """Installed libraries against those of the run."""
    rows = [
        (f"`{name}`", at_run, there, "yes" if at_run == there else "**no**") for name, at_run, there in installed(study)
    ]
    source = Trace(MANIFEST, "versions", "names and versions of distributions", "trials.manifest")
    return Grid(
        "Installed software: when the run was made, and when the package was.",
        ("Library", "Run", "Package", "The same"),
        rows,
        trace=source,
    )
