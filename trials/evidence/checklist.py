"""The checklist of an evidence package: 62 things a reviewer looks for, and where each of them is, or why it is not.

The items follow ICH M15 (2026), E9(R1), E6(R3), M11 and E20 (draft), FDA's guidances on adaptive designs (2019),
complex innovative designs (2020), credibility of models (2023) and Bayesian methods (draft 2026), ASME V&V 40-2018,
EMA's guideline on PBPK reporting (2018), 21 CFR 11 and IEEE 2791-2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trials.errors import TrialError
from trials.evidence.assembling import made

MAR, SIMULATION, CREDIBILITY = (f"m5/reports/{name}.pdf" for name in ("mar", "simulation-report", "credibility-report"))
SDTM, ADAM = "m5/datasets/*/tabulations/sdtm", "m5/datasets/*/analysis/adam"
NO_FIT = "No population was fitted for this run: its values and their uncertainty are those of the literature."
GROUPS = {
    "A": "Question and plan", "B": "Data", "C": "Model", "D": "Credibility", "E": "Simulation", "F": "Results",
    "G": "Integrity",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """Something a reviewer looks for.

    Attributes
    ----------
    number, group, text, source
        Number from 1 to 62, letter of its group, what it is, and which guidance asks for it.
    places
        Files or folders of the payload, as patterns; each of them has to be there, or all of them may be absent.
    where
        Where in them, in words.
    absent
        Why none of them is there, where that may be; empty where they always must be.
    """

    number: int
    group: str
    text: str
    source: str
    places: tuple[str, ...]
    where: str = ""
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An item, the files that are its places, and, where there are none, why."""

    item: Item
    files: tuple[str, ...]

    @property
    def said(self) -> str:
        """Where it is, or why it is not there."""
        if not self.files:
            return f"not in this package: {self.item.absent}"
        return f"{', '.join(self.item.places)}{f': {self.item.where}' if self.item.where else ''}"


ITEMS = (
    Item(1, "A", "Question of interest, verbatim", "M15 2.1.1", ("m2/summary.pdf", MAR), "assessment table"),
    Item(2, "A", "Context of use: role, scope, data, other evidence", "M15 2.1.2",
         ("m2/summary.pdf", "provenance/bco.json"), "assessment table; usability domain"),
    Item(3, "A", "Model influence and why", "M15 2.1.3", ("model/assessment-table.json", "m2/summary.pdf")),
    Item(4, "A", "Consequence of a wrong decision: severity and likelihood", "M15 2.1.4",
         ("model/assessment-table.json", "m2/summary.pdf")),
    Item(5, "A", "Model risk and why", "M15 2.1.5", ("model/assessment-table.json", "m2/summary.pdf")),
    Item(6, "A", "Model impact and why", "M15 2.1.6", ("model/assessment-table.json", "m2/summary.pdf")),
    Item(7, "A", "Technical criteria, numeric, before the run", "M15 2.2.1", ("m5/map.pdf",),
         "“Technical criteria”; “Lock” says since when"),
    Item(8, "A", "Appropriateness of the proposed modelling", "M15 2.2.2", ("m5/map.pdf",),
         "“Assessment: planning”"),
    Item(9, "A", "Estimand with five attributes, each intercurrent event with its strategy", "E9(R1)", ("m5/sap.pdf",),
         "“Estimands”"),
    Item(10, "A", "Model analysis plan with locked digest and time before data access", "M15 4.1", ("m5/map.pdf",),
         "“Lock”, from the first lines of audit/audit.jsonl"),
    Item(11, "A", "Analysis plan and protocol in USDM form", "M11", ("m5/sap.pdf", "m5/datasets/*/misc/usdm.json"),
         "“Trial design”, “Statistical analyses”"),
    Item(12, "A", "One assessment table for each question", "M15", ("model/assessment-table.json", "m2/summary.pdf")),
    Item(13, "B", "Every source: citation, licence, version, digest", "M15 App. 2",
         (MAR, "model/priors.json", "provenance/config-resolved.yaml"),
         "“Data”; source of every value; licence and SHA-256 of data that were fitted, under data"),
    Item(14, "B", "Inclusion and exclusion of data with reason", "M15 III", (MAR,), "“Data”"),
    Item(15, "B", "Transformations, imputation, rule below quantification", "M15 III", (MAR, "m5/sap.pdf"),
         "“Handling of data”"),
    Item(16, "B", "De-identification statement, 18 classes of identifiers searched for", "HIPAA",
         ("audit/identifiers.json",)),
    Item(17, "B", "Virtual subjects marked on every data set and page", "honesty",
         ("m5/reports/*.pdf", f"{SDTM}/ts.xpt", f"{SDTM}/dm.xpt"), "head of every page; TS and DM"),
    Item(18, "B", "SDTM as SAS transport 5", "FDA TCG", (f"{SDTM}/*.xpt",)),
    Item(19, "B", "ADaM with ADSL and the data sets of the analyses", "FDA TCG, ADaMIG", (f"{ADAM}/datasets/*.xpt",)),
    Item(20, "B", "define.xml 2.1 of both, valid", "Define-XML",
         (f"{SDTM}/define.xml", f"{ADAM}/datasets/define.xml", "validation/define-xsd.txt")),
    Item(21, "B", "Version of controlled terminology stated and checked", "CDISC CT",
         (f"{SDTM}/define.xml", f"{SDTM}/csdrg.pdf")),
    Item(22, "B", "Dataset-JSON copies equal to the transport files", "Dataset-JSON 1.1",
         ("m5/datasets/*/misc/dataset-json/sdtm/*.json", "m5/datasets/*/misc/dataset-json/adam/*.json")),
    Item(23, "B", "Reviewer's guides with every conformance finding triaged", "FDA TCG, PHUSE",
         (f"{SDTM}/csdrg.pdf", f"{ADAM}/datasets/adrg.pdf", "validation/core-triage.csv")),
    Item(24, "B", "Traceability from SDTM to ADaM", "ADaMIG", (f"{ADAM}/datasets/define.xml",), "predecessors, --SEQ"),
    Item(25, "C", "Equations, units, parameters and sources", "M15 III, EMA PBPK",
         ("model/equations.txt", "model/equations.tex", "model/model.yaml")),
    Item(26, "C", "Assumptions, justified, with alternatives", "M15 III", (MAR, "m5/map.pdf"), "“Assumptions”"),
    Item(27, "C", "Every prior: distribution, source, predictive check", "FDA Bayes", ("model/priors.json", MAR),
         "“Population model”; the predictive check under “Estimation” where a population was fitted"),
    Item(28, "C", "Fixed, estimated or assumed, labelled", "EMA PBPK", ("model/priors.json",), "status of each value"),
    Item(29, "C", "Divergences, R-hat, effective sample sizes, E-BFMI, with thresholds", "FDA Bayes",
         ("model/posterior.nc", MAR), "“Estimation”", NO_FIT),
    Item(30, "C", "Influence of priors on the posterior", "FDA Bayes",
         ("model/posterior.nc", MAR), "“Estimation”: contraction, sensitivity by power scaling", NO_FIT),
    Item(31, "C", "Identifiability", "M15 III", ("model/posterior.nc", MAR),
         "“Estimation”: contraction, shrinkage of random effects", NO_FIT),
    Item(32, "C", "Goodness of fit and visual predictive check", "M15 III", ("model/posterior.nc", MAR),
         "“Evaluation of the model”", NO_FIT),
    Item(33, "C", "External validation, or that there is none", "M15 III", (MAR,), "“Evaluation of the model”"),
    Item(34, "C", "Limits and domain of applicability", "M15 III", ("model/model-card.md", MAR),
         "“Limits and domain of applicability”"),
    Item(35, "D", "13 credibility factors: goal, reached, gap", "V&V 40", ("model/credibility.json", CREDIBILITY),
         "“Credibility factors”"),
    Item(36, "D", "Evidence in FDA's 8 categories", "CDRH 2023", (CREDIBILITY,), "“Evidence by category”"),
    Item(37, "D", "Code verification against closed forms", "V&V 40", (CREDIBILITY, "validation/iq-oq-pq.pdf"),
         "“Verification”; “Operational qualification”"),
    Item(38, "D", "Study of solver tolerances", "V&V 40", (CREDIBILITY,), "“Verification”"),
    Item(39, "D", "Comparison with independent software", "V&V 40", (CREDIBILITY,),
         "“Independent software and recovery”"),
    Item(40, "D", "Simulation-based calibration or parameter recovery", "FDA Bayes", (CREDIBILITY,),
         "“Independent software and recovery”"),
    Item(41, "D", "Uncertainty and sensitivity", "M15, V&V 40",
         (CREDIBILITY, "simulation/operating-characteristics.csv"), "“Uncertainty and sensitivity”"),
    Item(42, "D", "Verdict of adequacy by a named person who is not the developer", "CDRH step 8-9", (CREDIBILITY,),
         "“Adequacy”"),
    Item(43, "E", "Overview of the design", "FDA AD", (SIMULATION,), "“Overview of the design”"),
    Item(44, "E", "Example trials with several outcomes", "FDA AD", ("simulation/example-trials/*.txt", SIMULATION),
         "“Example trials”"),
    Item(45, "E", "Grid of scenarios with reasons", "FDA AD, CID", ("simulation/scenarios.yaml", SIMULATION),
         "“Parameter configurations”"),
    Item(46, "E", "Replicates of each scenario with reason", "FDA AD", ("simulation/scenarios.yaml", SIMULATION),
         "“Number of iterations”"),
    Item(47, "E", "Monte Carlo error beside every operating characteristic", "FDA AD",
         ("simulation/operating-characteristics.csv",), "column mcse"),
    Item(48, "E", "Type I error, power, bias, coverage, expected size, duration", "FDA AD, E20",
         ("simulation/operating-characteristics.csv", SIMULATION), "“Operating characteristics”"),
    Item(49, "E", "Seeds of each scenario and name of the generator", "FDA AD", ("simulation/seeds.csv",)),
    Item(50, "E", "Type I error over drift of prior data, or Bayesian characteristics", "FDA Bayes",
         ("simulation/operating-characteristics.csv",),
         "type_1_error of every scenario with a true null hypothesis, whatever drifts in it"),
    Item(51, "E", "Failed replicates counted, not dropped", "E20",
         ("simulation/operating-characteristics.csv", SIMULATION), "failed and failure_rate; “Failures”"),
    Item(52, "F", "Results against each technical criterion", "M15 2.2.3", ("m2/summary.pdf", MAR),
         "“Technical criteria”"),
    Item(53, "F", "Deviations from the plan", "M15 4.2", (MAR,), "“Deviations from the plan”"),
    Item(54, "F", "Outcome of the assessment, dated, named", "M15 2.2.4",
         ("m2/summary.pdf", "model/assessment-table.json")),
    Item(55, "F", "Every number to data set, filter, method, code", "ARM, ARS",
         (f"{ADAM}/datasets/define.xml", "m5/datasets/*/misc/ars.json")),
    Item(56, "F", "Model analysis report", "M15", (MAR, "m5/reports/mar.docx")),
    Item(57, "G", "Code, resolved configuration, lock file, SBOM", "M15 4.3",
         ("provenance/git.txt", "provenance/config-resolved.yaml", "provenance/environment.lock",
          "provenance/sbom.cdx.json")),
    Item(58, "G", "Repetition with one command and comparison of digests", "M15 III", ("validation/reproduce.sh",)),
    Item(59, "G", "BioCompute object and RO-Crate", "IEEE 2791", ("provenance/bco.json", "ro-crate-metadata.json")),
    Item(60, "G", "Hash-chained audit trail: who, UTC, what, old and new, why", "Part 11.10(e), E6(R3)",
         ("audit/audit.jsonl",), "", "The run is older than the audit log of this program."),
    Item(61, "G", "Electronic signatures: printed name, time, meaning, bound to the record", "11.50, 11.70",
         ("audit/roles.json",), "who may sign; signatures are made after packaging, in signatures/ beside data/"),
    Item(62, "G", "Fixity, detached signature, how to verify; installation and operation qualified", "11.10(a)",
         ("validation/iq-oq-pq.pdf",), "manifests and HOW-TO-VERIFY.txt lie beside data/"),
)  # fmt: skip


def located(folder: Path, items: Sequence[Item] = ITEMS) -> tuple[Found, ...]:
    """Find every item in a payload.

    Raises
    ------
    TrialError
        Naming the items of which some claimed place is not there and that have no reason to be absent.
    """
    found = tuple(_found(folder, item) for item in items)
    lacking = [line for one in found for line in _lacking(folder, one)]
    if lacking:
        raise TrialError("package: claimed places of the checklist are not there:\n  " + "\n  ".join(lacking))
    return found


def printed() -> str:
    """The map as text, without a package."""
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    group = ""
    for item in ITEMS:
        if item.group != group:
            group = item.group
            yield f"{group}. {GROUPS[group]}"
        yield f"{item.number:>4}  {item.text} ({item.source})"
        yield f"      {', '.join(item.places)}{f': {item.where}' if item.where else ''}"
        if item.absent:
            yield f"      or absent: {item.absent}"


def _found(folder: Path, item: Item) -> Found:
    each = {place: [path.relative_to(folder).as_posix() for path in made(folder, place)] for place in item.places}
    if item.absent and not each[item.places[0]]:
        return Found(item, ())
    return Found(item, tuple(path for paths in each.values() for path in paths))


def _lacking(folder: Path, one: Found) -> Iterator[str]:
    if one.files or not one.item.absent:
        for place in one.item.places:
            if not list(made(folder, place)):
                yield f"{one.item.number} {one.item.text}: {place}"
