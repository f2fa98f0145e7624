"""The report of a run: one HTML file that needs nothing else, to read, to print and to send.

Every number comes from the result's objects, every picture is drawn from them; text from configurations is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials import report_posterior, report_tables
from trials.mathml import equations
from trials.report_tables import Table, plain

if TYPE_CHECKING:
    from trials.protocol import Result

SIMULATED = "SIMULATED DATA: virtual subjects. No person took part in this trial."


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the page holds it."""

    title: str
    caption: str
    source: str
    """``data:`` address of the picture."""


def write(result: Result, folder: Path, *, story: str = "") -> Path:
    """Draw the figures of `result` into ``folder/figures`` and write ``folder/report.html``; returns its path.

    ``story`` is that of one virtual patient, as `trials.tell` gives it. `result.manifest` must already have everything
    but the digests of the files.
    """
    from trials.figures.gallery import draw
    from trials.figures.picture import write as save

    pictures = draw(result)
    files = save(pictures, folder / "figures")
    shown = {picture.name: Shown(picture.title, picture.caption, _address(files[picture.name])) for picture in pictures}
    path = folder / "report.html"
    path.write_text(render(result, shown, story=story), encoding="utf-8")
    return path


def render(result: Result, pictures: Mapping[str, Shown], *, story: str = "") -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    where = FileSystemLoader(Path(__file__).parent / "templates")
    page = Environment(loader=where, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    groups = [(title, [Markup(row) for row in rows]) for title, rows in equations(result.trial.protocol.model)]
    return page.get_template("report.html.j2").render(
        banner=SIMULATED,
        trial=result.trial,
        pictures=pictures,
        story=story,
        equations=groups,
        manifest=result.manifest,
        reproduce=_reproduce(result),
        posterior=None if result.posterior is None else report_posterior.section(result),
        **_tables(result),
    )


def _tables(result: Result) -> dict[str, Table]:
    """The tables by the name the template knows them by."""
    from trials.operating import characteristics
    from trials.rules.scoring import score

    trial, found = result.trial, characteristics(result)
    coordinate = result.outcomes["scale"]
    scales = dict(zip(coordinate["analysis"].values.tolist(), coordinate.values.tolist(), strict=True))
    return {
        "summary": report_tables.summary(found, trial.scenarios),
        "rules": report_tables.summary(score(result), trial.scenarios),
        "stopping": report_tables.stopping(found),
        "families": report_tables.families(found, trial.families),
        "arms": report_tables.arms(trial.protocol),
        "plan": report_tables.plan(trial.protocol),
        "scenarios": report_tables.scenarios(trial.scenarios),
        "parameters": report_tables.model_parameters(trial.protocol.model),
        "covariates": report_tables.covariates(trial.protocol.population),
        "coefficients": report_tables.coefficients(trial.protocol),
        "effects": report_tables.effects(found, scales),
        "everything": report_tables.everything(found),
        "failures": report_tables.failures(result.outcomes, result.manifest["failures"]),
        "published": report_tables.published(result),
        "made": _made(result.manifest),
        "digests": _pairs(("Of", "SHA-256"), result.manifest["digests"]),
        "versions": _pairs(("Software", "Version"), result.manifest["versions"]),
    }


def _made(manifest: Mapping[str, Any]) -> Table:
    """How the numbers were made."""
    rows = {
        "Seed": manifest["seed"],
        "Random numbers": manifest["random_numbers"],
        "Executor": manifest["executor"],
        "Machine": ", ".join(map(str, manifest["machine"].values())),
        "Seconds": ", ".join(f"{name} {plain(float(value), 3)}" for name, value in manifest["seconds"].items()),
    }
    return _pairs(("", ""), rows)


def _pairs(head: tuple[str, str], values: Mapping[str, Any]) -> Table:
    return Table(head, tuple((name, plain(value)) for name, value in values.items()))


def _reproduce(result: Result) -> str:
    """The command that repeats the run from its own configuration."""
    folder = result.folder
    return f"trialtwin run {folder.name if folder else '.'}/config.yaml"


def _address(path: Path) -> str:
    kind = "image/svg+xml" if path.suffix == ".svg" else "image/png"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
