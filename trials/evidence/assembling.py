"""The parts of an evidence package: what is written where, by what, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

type Progress = Callable[[str, int, int], None]


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
    given
        Names of the options it is called with besides.
    """

    place: str
    what: str
    maker: str
    given: tuple[str, ...] = ()

    def __call__(self, study: Study, answers: Answers, folder: Path, options: Mapping[str, str]) -> None:
        """Write it.

        Raises
        ------
        TrialError
            When nothing was written at its place.
        """
        module, _, name = self.maker.partition(":")
        write: Callable[..., None] = getattr(import_module(module), name)
        write(study, answers, folder, **{option: options[option] for option in self.given})
        if not list(made(folder, self.place)):
            raise TrialError(f"package: {self.maker} left nothing at {self.place}")


HERE = "trials.evidence"
PARTS: tuple[Part, ...] = (
    Part("audit/identifiers.json", "search for identifiers of people", "trials.trust.searching:write_search"),
    Part("model/equations.txt", "equations", f"{HERE}.modelling:write_equations"),
    Part("model/priors.json", "priors", f"{HERE}.modelling:write_priors"),
    Part("model/posterior.*", "posterior", f"{HERE}.modelling:write_posterior"),
    Part("model/model-card.md", "model card", f"{HERE}.modelling:write_card"),
    Part("simulation/scenarios.yaml", "scenarios", f"{HERE}.simulating:write_scenarios"),
    Part("simulation/seeds.csv", "seeds", f"{HERE}.simulating:write_seeds"),
    Part("simulation/operating-characteristics.csv", "operating characteristics",
         f"{HERE}.simulating:write_characteristics"),
    Part("simulation/example-trials", "stories of example trials", f"{HERE}.simulating:write_examples"),
    Part("provenance/config-resolved.yaml", "settings", f"{HERE}.provenance.settings:write_settings"),
    Part("provenance/sbom.cdx.json", "bill of materials", f"{HERE}.provenance.bill:write_bill"),
    Part("provenance/mlflow-run.json", "record of the tracking store", f"{HERE}.provenance.tracked:write_tracked"),
    Part("m5/datasets/*/tabulations", "tabulations", f"{HERE}.tabulating:write_tabulations"),
    Part("validation/core.json", "CDISC CORE", f"{HERE}.validation.outcomes:write_core", ("core",)),
    Part("validation/core-triage.csv", "reviewer's guides", f"{HERE}.tabulating:write_guides"),
    Part("m5/datasets/*/analysis", "analysis data sets", f"{HERE}.adam.writing:write"),
    Part("m5/datasets/*/misc/usdm.json", "study definition", f"{HERE}.usdm.definition:write_definition"),
    Part("m5/reports", "documents", f"{HERE}.reports.parts:write_documents"),
    Part("model/assessment-table.json", "assessment", f"{HERE}.reports.parts:write_assessment"),
    Part("validation/reproduce.sh", "script that repeats the run", f"{HERE}.validation.repeating:write_script"),
    Part("audit/roles.json", "who may sign", "trials.trust.enclosure:write_people"),
    Part("provenance/bco.json", "BioCompute object", f"{HERE}.provenance.biocompute:write_biocompute"),
    Part("validation/fhir.json", "FHIR", f"{HERE}.validation.outcomes:write_fhir"),
    Part("validation/checks.json", "checks against schemas", f"{HERE}.validation.outcomes:write_schemas"),
    Part("ro-crate-metadata.json", "RO-Crate", f"{HERE}.provenance.crate:write_crate"),
    Part("validation/crate.json", "check of the RO-Crate", f"{HERE}.validation.outcomes:write_crate_check"),
    Part("index.html", "start page and checklist", f"{HERE}.index:write_index"),
    Part("provenance/prov.json", "provenance", f"{HERE}.provenance.origins:write_origins"),
    Part("ro-crate-metadata.json", "RO-Crate", f"{HERE}.provenance.crate:write_crate"),
)  # fmt: skip
"""Every part, in the order in which they are made: later ones read what earlier ones wrote."""


def made(folder: Path, place: str) -> Iterator[Path]:
    """Files of the payload at a place: the file itself, those below a folder, or those that a pattern matches."""
    for found in sorted(folder.glob(place)):
        yield from (path for path in sorted(found.rglob("*")) if path.is_file()) if found.is_dir() else (found,)


def assemble(
    study: Study,
    answers: Answers,
    folder: Path,
    parts: Sequence[Part],
    *,
    options: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write every part of a package below its payload folder, which holds the run already.

    `options` are those that parts may ask for: ``core``.
    """
    chosen = {"core": ""} | dict(options or {})
    for number, part in enumerate(parts):
        if progress is not None:
            progress(part.what, number, len(parts))
        part(study, answers, folder, chosen)
    if progress is not None:
        progress("parts of the package", len(parts), len(parts))
