"""The study definition: USDM 4.0 JSON of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trials.evidence.sdtm.plan import read
from trials.evidence.study import identifier
from trials.evidence.usdm.question import criteria, estimands, objectives, population
from trials.evidence.usdm.schedule import schedule
from trials.evidence.usdm.things import Maker, Thing
from trials.evidence.usdm.treatments import treatments
from trials.evidence.writing import write_json

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study
    from trials.protocol import Protocol

VERSION = "4.0.0"
MODELS = {"Crossover": "crossover", "Williams": "crossover", "ReplicateCrossover": "crossover",
          "Factorial": "factorial", "GroupSequential": "sequential"}  # fmt: skip
"""Intervention model by the class of a design; the others are parallel groups."""


def write_definition(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``usdm.json`` beside the data sets of every example trial's study."""
    made = definition(study, answers)
    for example in study.examples:
        write_json(folder / "m5" / "datasets" / example.study.lower() / "misc" / "usdm.json", made)


def definition(study: Study, answers: Answers) -> Thing:
    """Study definition of the trial's protocol as JSON of USDM 4.0."""
    make = Maker()
    name = identifier(study.trial, study.manifest)
    sponsor = make.named("Organization", answers.sponsor or "Sponsor", identifier=answers.sponsor or "not given",
                         identifierScheme="Name of the sponsor", type=make.code("sponsor"), managedSites=[],
                         legalAddress=make("Address", text="not given", lines=[]))  # fmt: skip
    sponsor.pop("description")
    asked, items = criteria(study, make)
    people = population(study, make, asked)
    protocol = study.trial.protocol
    given = treatments(protocol, make, people)
    planned = schedule(protocol, given, make)
    aims, endpoints = objectives(study, make)
    stated, analysed = estimands(study, answers, make, given, endpoints)
    design = make.named(
        "InterventionalStudyDesign", study.trial.name, study.trial.title, rationale=study.trial.question,
        studyType=make.code("interventional"), model=make.code(_model(protocol)),
        studyPhase=_summarised("TPHASE", study, make), blindingSchema=_summarised("TBLIND", study, make),
        intentTypes=[], subTypes=[], therapeuticAreas=[], characteristics=_characteristics(protocol, make),
        arms=given.arms, epochs=given.epochs, elements=list(given.elements.values()),
        studyCells=given.cells, studyInterventionIds=[one["id"] for one in given.interventions.values()],
        population=people, eligibilityCriteria=asked, indications=[], objectives=aims, estimands=stated,
        analysisPopulations=analysed, activities=planned.activities, encounters=planned.encounters,
        scheduleTimelines=[planned.timeline], biospecimenRetentions=[], documentVersionIds=[], notes=[],
    )  # fmt: skip
    version = make("StudyVersion", versionIdentifier=answers.protocol.version or "1", businessTherapeuticAreas=[],
                   rationale=str(answers.context) or study.trial.question, notes=[], abbreviations=[], dateValues=[],
                   referenceIdentifiers=[], amendments=[], documentVersionIds=[], studyDesigns=[design],
                   titles=[make("StudyTitle", text=f"SIMULATED: {study.trial.title}", type=make.code("title"))],
                   organizations=[sponsor], studyInterventions=list(given.interventions.values()),
                   studyIdentifiers=[make("StudyIdentifier", text=name, scopeId=sponsor["id"])],
                   eligibilityCriterionItems=items, narrativeContentItems=[], dictionaries=[], conditions=[],
                   biomedicalConcepts=[], bcCategories=[], bcSurrogates=planned.surrogates, administrableProducts=[],
                   medicalDevices=[], productOrganizationRoles=[], roles=[])  # fmt: skip
    version["roles"] = [
        make.named("StudyRole", "sponsor", code=make.code("sponsor"), appliesToIds=[version["id"]], masking=None,
                   organizationIds=[sponsor["id"]], assignedPersons=[], notes=[])
    ]  # fmt: skip
    about = "SIMULATED DATA: definition of a simulated trial; all subjects are virtual."
    whole = make.named("Study", name, about, versions=[version], documentedBy=[])
    return {
        "study": whole,
        "usdmVersion": VERSION,
        "systemName": "trialtwin",
        "systemVersion": study.manifest["versions"]["trialtwin"],
    }


def _summarised(parameter: str, study: Study, make: Maker) -> Thing | None:
    """A parameter of the trial summary, as SDTM's TS has it; None where it has none."""
    value = read(study.trial.name).summary.get(parameter)
    return None if value is None else make.alias(value)


def _model(protocol: Protocol) -> str:
    if len(protocol.arms) == 1:
        return "single"
    return MODELS.get(type(protocol.design).__name__, "parallel")


def _characteristics(protocol: Protocol, make: Maker) -> list[Thing]:
    """Randomised, stratified or not, adaptive where the size or the end is decided on the way."""
    stratified = protocol.randomisation is not None and bool(protocol.randomisation.variables)
    adaptive = protocol.design.looks is not None or protocol.design.reestimation is not None
    random = "stratified" if stratified else "randomised"
    return [make.code(name) for name in ([random] if len(protocol.arms) > 1 else []) + ["adaptive"] * adaptive]
