"""The RO-Crate of a package: Workflow Run Crate 0.5 on RO-Crate 1.1, with a SHA-256 of every file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.evidence.provenance.addresses import HERE, described, named
from trials.evidence.provenance.biocompute import CONFIG, REPRODUCE, RIGHTS, SOFTWARE
from trials.evidence.writing import write_json

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

METADATA = "ro-crate-metadata.json"
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"
RESULTS = (HERE, "simulation/operating-characteristics.csv", "m5/datasets/", "m5/reports/")
"""What the run gave, among the files."""


def write_crate(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``ro-crate-metadata.json`` about every file that is there, itself excepted."""
    from rocrate.rocrate import ROCrate

    crate: Any = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = SHA256
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for path in paths:
        if path not in (METADATA, REPRODUCE):
            crate.add_file(folder / path, path, properties=_properties(folder, path))
    _describe(crate, study)
    workflow = _workflow(crate, folder)
    _action(crate, study, answers, workflow, paths)
    made = crate.metadata.generate()
    made["@graph"].sort(key=lambda entity: (entity["@id"] not in (METADATA, "./"), entity["@id"]))
    write_json(folder / METADATA, made)


def _properties(folder: Path, path: str) -> dict[str, Any]:
    about = described(folder, path)
    return {
        "name": path,
        "encodingFormat": about["media"],
        "contentSize": str(about["size"]),
        "sha256": about["sha256"],
    }


def _describe(crate: Any, study: Study) -> None:
    crate.name = f"SIMULATED DATA: {study.trial.title}"
    crate.description = f"Evidence of a simulated clinical trial; all subjects are virtual. {study.trial.question}"
    crate.datePublished = study.finished
    rights = {"@id": "#rights", "@type": "CreativeWork", "name": "Rights in this package", "description": RIGHTS}
    crate.license = crate.add_jsonld(rights)
    for where, name, version in PROFILES:
        crate.add_jsonld({"@id": where, "@type": "CreativeWork", "name": name, "version": version})
    crate.root_dataset["conformsTo"] = [{"@id": where} for where, _, _ in PROFILES]
    crate.metadata["conformsTo"] = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": PROFILES[2][0]}]
    crate.add_jsonld({"@id": SOFTWARE, "@type": "CreativeWork", "name": "Apache License 2.0", "url": SOFTWARE})


def _workflow(crate: Any, folder: Path) -> Any:
    """The main workflow: the script that repeats the run."""
    bash = {"@id": "#bash", "@type": "ComputerLanguage", "name": "Bash", "url": "https://www.gnu.org/software/bash/"}
    language = crate.add_jsonld(bash)
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    about = {"@type": kinds, **_properties(folder, REPRODUCE), "license": {"@id": SOFTWARE}}
    workflow = crate.add_file(folder / REPRODUCE, REPRODUCE, properties=about)
    workflow["programmingLanguage"] = language
    crate.mainEntity = workflow
    return workflow


def _action(crate: Any, study: Study, answers: Answers, workflow: Any, paths: list[str]) -> None:
    """Say what the run used and gave, who is responsible, and with which program."""
    version = study.manifest["versions"]["trialtwin"]
    program = {"@id": "#trialtwin", "@type": "SoftwareApplication", "name": "trialtwin", "softwareVersion": version}
    workflow["softwareRequirements"] = crate.add_jsonld({**program, "license": {"@id": SOFTWARE}})
    people = [
        crate.add_jsonld({"@id": f"#person-{number}", "@type": "Person", "name": one.name})
        for number, one in enumerate(named(answers), 1)
    ]
    used = [path for path in (CONFIG, "model/priors.json") if path in paths]
    given = [path for path in paths if path.startswith(RESULTS)]
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of {study.trial.name}: {study.manifest['replicates']} replicates of each scenario",
        "instrument": {"@id": REPRODUCE},
        "object": [{"@id": path} for path in used],
        "result": [{"@id": path} for path in given],
        "startTime": study.manifest["started"],
        "endTime": study.finished,
        "agent": [{"@id": one.id} for one in people],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    crate.root_dataset["mentions"] = [crate.add_jsonld(action)]
