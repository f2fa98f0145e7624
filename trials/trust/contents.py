"""What a package holds, looked at once its bytes are known to be those that were packaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from trials.bag import AUDIT, RUN
from trials.trust.audit import LOG
from trials.trust.finding import Finding, Outcome

type Look = Callable[[Path, Sequence[Path]], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of what a package holds.

    Attributes
    ----------
    name, what
        Short name, and what is checked, in words.
    place
        Pattern of the files it looks at; without any, there is nothing to check.
    looker
        ``module:function`` that is called with the package and these files and gives findings.
    kind
        Which of `trials.trust.finding.CODES` it is when it fails.
    """

    name: str
    what: str
    place: str
    looker: str
    kind: str = "agreement"

    def __call__(self, bag: Path) -> Outcome:
        """Make the check."""
        paths = sorted(path for path in bag.glob(self.place) if path.is_file())
        if not paths:
            return Outcome(self.name, self.what, "absent", f"the package has no {self.place}", kind=self.kind)
        module, _, name = self.looker.partition(":")
        look: Look = getattr(import_module(module), name)
        findings = tuple(_told(look(bag, paths), self.place))
        note = f"{self.what} ({len(paths)} file{'s' if len(paths) > 1 else ''})"
        return Outcome(self.name, self.what, "failed" if findings else "passed", note, findings, self.kind)

    def undone(self, why: str) -> Outcome:
        """Say that it was not made, and why."""
        return Outcome(self.name, self.what, "not done", why, kind=self.kind)


def _told(findings: Iterator[Finding], place: str) -> Iterator[Finding]:
    """Findings, and as one more what kept a check from going on."""
    try:
        yield from findings
    except Exception as error:  # what a reader makes of rubbish has many names; each is a finding
        yield Finding(place, f"cannot be checked: {type(error).__name__}: {error}")


def run(bag: Path, _: Sequence[Path]) -> Iterator[Finding]:
    """Check the run in a package as `trials.check` does, with the packaged log."""
    from trials.trust.run_folder import check

    for finding in check(bag / RUN, log=bag / AUDIT).findings:
        home = "data/audit" if finding.path.startswith(LOG) else RUN
        yield Finding(f"{home}/{finding.path}", finding.message)


HERE = "trials.trust"
CHECKS: tuple[Check, ...] = (
    Check("label", "bag-info.txt says what the payload holds", "bag-info.txt", f"{HERE}.enclosure:label"),
    Check("run", "the run's files, configuration, outcomes and log agree; its characteristics come out again",
          f"{RUN}/manifest.json", f"{HERE}.contents:run"),
    Check("Dataset-JSON", "every file has the form of Dataset-JSON 1.1", "data/m5/**/dataset-json/**/*.json",
          f"{HERE}.forms:dataset_json", "form"),
    Check("define.xml", "valid by the schema of Define-XML 2.1 with results", "data/m5/**/define.xml",
          f"{HERE}.forms:define", "form"),
    Check("analysis results", "the form of the Analysis Results Standard", "data/m5/**/ars.json",
          f"{HERE}.forms:ars", "form"),
    Check("study definition", "the form of USDM 4.0", "data/m5/**/usdm.json", f"{HERE}.forms:usdm", "form"),
    Check("BioCompute object", "the form of IEEE 2791-2020", "data/provenance/bco.json",
          f"{HERE}.forms:biocompute", "form"),
    Check("RO-Crate", "it lists every file of the package with its digest", "data/ro-crate-metadata.json",
          f"{HERE}.forms:crate", "form"),
    Check("bill of materials", "valid by the schema of CycloneDX 1.6", "data/provenance/sbom.cdx.json",
          f"{HERE}.forms:bill", "form"),
    Check("documents", "every PDF is marked as PDF/A", "data/**/*.pdf", f"{HERE}.forms:pdf", "form"),
    Check("copies", "transport files and Dataset-JSON hold the same, bit for bit", "data/m5/**/*.xpt",
          f"{HERE}.agreement:copies"),
    Check("numbers", "the tables of characteristics hold the numbers of the run", "data/simulation/*.csv",
          f"{HERE}.agreement:numbers"),
    Check("settings", "configuration, posterior and the script that repeats the run are those of the run",
          "data/provenance/config-resolved.yaml", f"{HERE}.agreement:settings"),
    Check("tabulations", "SDTM conforms to its standard, or the guide says why not",
          "data/m5/datasets/*/tabulations/sdtm/*.xpt", f"{HERE}.conforming:tabulations", "conformance"),
    Check("analysis data", "ADaM conforms to its standard and to the SDTM it was made from",
          "data/m5/datasets/*/analysis/adam/datasets/*.xpt", f"{HERE}.conforming:analyses", "conformance"),
    Check("all replicates", "ADSIM holds the outcomes of every replicate",
          "data/m5/datasets/*/analysis/adam/datasets/adsim.xpt", f"{HERE}.replicated:replicates"),
    Check("their characteristics", "ADOC holds the characteristics of the run",
          "data/m5/datasets/*/analysis/adam/datasets/adoc.xpt", f"{HERE}.replicated:characteristics"),
    Check("their results", "analysis results are the characteristics of the run", "data/m5/datasets/*/misc/ars.json",
          f"{HERE}.replicated:results"),
    Check("reports", "reports print the numbers of the run", "data/m5/reports/*.html", f"{HERE}.printed:reports"),
    Check("criteria", "criteria are judged by the numbers of the run", "data/model/assessment-table.json",
          f"{HERE}.printed:criteria"),
    Check("real people", "nothing of the run names a real person, and data of people are there by leave",
          "data/audit/identifiers.json", f"{HERE}.agreement:identifiers", "people"),
)  # fmt: skip
"""In their order."""
