"""What documents have in common: the first page, tables of a run as grids, its pictures, and where numbers are from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.evidence.reports.document import Block, Document, Figure, Grid, Paragraph, Section, Trace
from trials.evidence.study import identifier

if TYPE_CHECKING:
    import xarray as xr

    from trials.evidence.answers import Answers
    from trials.evidence.study import Study
    from trials.protocol import Result
    from trials.report_tables import Table

NOT_GIVEN = "**not given**"
CHARACTERISTICS = "simulation/operating-characteristics.csv"
OUTCOMES, MANIFEST = "simulation/run/outcomes.parquet", "simulation/run/manifest.json"
CONFIGURATION = "provenance/config-resolved.yaml"
ANSWERS = "provenance/answers.json"


def said(text: str | None) -> str:
    """An answer, or that it was not given."""
    return text or NOT_GIVEN


def study_id(study: Study) -> str:
    """Identifier of the study."""
    return identifier(study.trial, study.manifest)


def document(
    study: Study, answers: Answers, name: str, title: str, sections: Sequence[Section], **more: Any
) -> Document:
    """A document of a study, with the pairs of its first page."""
    return Document(
        name=name, title=title, subtitle=study.trial.title, about=_about(study, answers), sections=sections,
        draft=answers.draft, date=study.finished, study=study_id(study),
        author=", ".join(person.name for person in answers.named("designer")), **more,
    )  # fmt: skip


def _about(study: Study, answers: Answers) -> list[tuple[str, str]]:
    number = " version ".join(part for part in (answers.protocol.number, answers.protocol.version) if part)
    git = study.manifest.get("git", {})
    commit = f", commit `{git['commit'][:12]}`{' with uncommitted changes' if git['changed'] else ''}" if git else ""
    return [
        ("Study", f"{study_id(study)} (simulated)"),
        ("Trial", f"`{study.trial.name}`"),
        ("Protocol", said(number)),
        ("Sponsor", said(answers.sponsor)),
        *((role.capitalize(), people(answers, role)) for role in ("designer", "statistician", "reviewer", "releaser")),
        ("Run finished", study.finished.replace("T", " ").replace("Z", " UTC")),
        ("Software", f"trialtwin {study.manifest['versions']['trialtwin']}{commit}"),
        ("Configuration", f"SHA-256 `{study.manifest['digests']['config'][:32]}…`"),
    ]


def people(answers: Answers, role: str) -> str:
    """Names of those with a role."""
    named = [f"{one.name}{f', {one.organisation}' if one.organisation else ''}" for one in answers.named(role)]
    return "; ".join(named) or NOT_GIVEN


def grid(
    caption: str, table: Table, trace: Trace | None = None, *, widths: Sequence[float] = (), wide: bool = False
) -> Grid:
    """A table of a run's report as one of a document."""
    head = [text or "" for text in table.head]
    return Grid(caption, head, [list(map(clean, row)) for row in table.rows], table.numbers, trace, widths, wide)


def clean(text: str) -> str:
    """Text of a configuration without what documents read as markup."""
    return text.replace("`", "'").replace("**", "^")


def with_note(made: Grid, note: str) -> list[Block]:
    """A table and the remark under it, where there is one."""
    return [made, Paragraph(note)] if note else [made]


def result(study: Study) -> Result:
    """The run as its report's tables read it, from its folder."""
    import xarray as xr

    from trials.protocol import Result

    return Result(
        trial=study.trial, outcomes=study.outcomes, arms=_arms(study.run), truth=study.truth, example=xr.Dataset(),
        posterior=study.posterior, folder=study.run, manifest=study.manifest,
    )  # fmt: skip


def _arms(run: Path) -> xr.Dataset:
    import pandas as pd

    frame = pd.read_parquet(run / "arms.parquet")
    dims = ["scenario", "replicate", "endpoint", "arm"]
    return frame.drop_duplicates(dims).set_index(dims).to_xarray()


def trace(where: str, method: str, *, data: str = CHARACTERISTICS, code: str = "trials.operating") -> Trace:
    """Where numbers come from; by default the operating characteristics."""
    return Trace(data, where, method, code)


# ---- pictures of the run
PICTURES: tuple[tuple[str, str, str, Trace], ...] = (
    ("posterior", "Posterior of each population parameter over its prior.",
     "densities of the posterior in colour over those of the prior in grey, one panel a parameter",
     Trace("model/posterior.nc", "all draws", "density of the draws", "trials.figures.posterior")),
    ("chains", "Chains of the sampler and their ranks: chains should be indistinguishable, ranks lie about 1 within "
    "the "
     "grey 90 % band.",
     "traces of the chains, which overlap, and rank plots, one row a parameter",
     Trace("model/posterior.nc", "all draws by chain", "traces and rank plots (doi:10.1214/20-BA1221)",
           "trials.figures.posterior")),
    ("predictive_check", "Visual predictive check: observations and their percentiles over the intervals that the "
    "fitted "
     "model predicts for new people.",
     "observed concentrations as dots, their percentiles as lines, over bands that the model predicts",
     Trace("model/posterior.nc", "group of the predictive check", "percentiles by bin of time over 90 % intervals",
           "cohorts.predictive_check")),
    ("power", "Share of simulated trials that declare a success against the true effect, with 95 % Monte Carlo "
     "intervals; numbered dots are scenarios.",
     "power against the true effect with the scenarios as numbered dots",
     Trace(CHARACTERISTICS, "characteristic = power or type_1_error", "Wilson interval of the share of replicates",
           "trials.figures.power")),
    ("curve", "Power over the parameter of the power curve, with 95 % Monte Carlo intervals.",
     "power as a line with its band against the parameter that was varied, one panel an analysis",
     Trace("simulation/run", "the power curve", "Wilson interval of the share of replicates", "trials.figures.power")),
    ("characteristics", "Operating characteristics of every scenario and analysis with 95 % Monte Carlo intervals; "
    "dashes "
     "mark nominal values.",
     "forest of operating characteristics, a row a scenario and analysis, a column a characteristic",
     Trace(CHARACTERISTICS, "all", "value and 1.96 Monte Carlo standard errors", "trials.figures.forest")),
    ("stopping", "Where simulated trials stop and why, by scenario and look, with 95 % Monte Carlo intervals.",
     "bars of the share of trials that stop at each look for efficacy, futility or at the end, a panel a scenario",
     Trace(OUTCOMES, "all replicates", "share of replicates by look and reason",
           "trials.figures.monitoring")),
    ("sizes", "Number of subjects and duration as they vary between simulated trials.",
     "distributions of the number of subjects and of the duration by scenario",
     Trace(OUTCOMES, "variables n and duration", "quantiles over replicates",
           "trials.figures.monitoring")),
    ("enrolment", "Patients randomised by calendar time.",
     "curves of the number of patients randomised against calendar time",
     Trace("example trials", "first replicates of the first scenario", "count by calendar time",
           "trials.figures.monitoring")),
    ("survival_", "Kaplan-Meier estimate in the first simulated trial: {name}.",
     "survival curves by arm with the numbers at risk below",
     Trace("example trials", "first replicate of the first scenario", "Kaplan-Meier", "trials.figures.monitoring")),
    ("example_", "The first simulated trial of the first scenario: {name}.",
     "values of the virtual subjects by arm in the first simulated trial",
     Trace("example trials", "first replicate of the first scenario", "as measured, with error",
           "trials.figures.example")),
)  # fmt: skip
"""Start of the file's name, caption, words for who cannot see it, and where its numbers are from."""


def pictures(study: Study, *starts: str) -> list[Figure]:
    """Figures of the run whose file names begin like `starts`, in that order; those it does not have are left out."""
    paths = sorted((study.run / "figures").glob("*.svg"))
    chosen = [path for start in starts for path in paths if path.stem.startswith(start)]
    return [_picture(path) for path in dict.fromkeys(chosen)]


def _picture(path: Path) -> Figure:
    _, caption, alt, source = next(
        (row for row in PICTURES if path.stem.startswith(row[0])),
        (
            "",
            "{name}",
            "figure of the run",
            Trace("simulation/run", "", "as in the report of the run", "trials.figures"),
        ),
    )
    name = path.stem.partition("_")[2].replace("_", " ") or path.stem
    return Figure(caption.format(name=name), path.read_text(encoding="utf-8"), f"{alt} ({name})", source)
