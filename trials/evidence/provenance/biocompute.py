"""The BioCompute object: the run as IEEE 2791-2020 describes a computation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.evidence.provenance.addresses import HERE, address, identity, listed
from trials.evidence.writing import media, sparse, write_json

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

SPECIFICATION = "https://w3id.org/ieee/ieee-2791-schema/2791object.json"
CONFIG = "provenance/config-resolved.yaml"
REPRODUCE = "validation/reproduce.sh"
POSTERIOR = "model/posterior.nc"
RIGHTS = "This package grants no licence; rights are with those it names. The program that made it is Apache-2.0."
SHARE = {"designer": "createdBy", "statistician": "authoredBy", "reviewer": "curatedBy", "releaser": "providedBy"}
"""What somebody did to a BioCompute object, by their role."""
SOFTWARE = "https://spdx.org/licenses/Apache-2.0"


def write_biocompute(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``provenance/bco.json``; its etag is the SHA-256 of all but the three fields of identification."""
    domains = {
        "provenance_domain": _provenance(study, answers),
        "usability_domain": _usability(study, answers),
        "description_domain": _description(study, folder),
        "execution_domain": _execution(study),
        "parametric_domain": _parameters(study),
        "io_domain": _files(study, folder),
        "error_domain": _errors(study),
    }
    text = json.dumps(domains, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    head = {
        "object_id": f"urn:uuid:{identity(study, 'bco')}",
        "spec_version": SPECIFICATION,
        "etag": hashlib.sha256(text.encode()).hexdigest(),
    }
    write_json(folder / "provenance" / "bco.json", {**head, **domains})


def _provenance(study: Study, answers: Answers) -> dict[str, Any]:
    program = f"trialtwin {study.manifest['versions']['trialtwin']}"
    people = [
        sparse({"name": one.name, "affiliation": one.organisation, "contribution": [SHARE[role] for role in one.roles]})
        for one in answers.people
        if one.name
    ]
    return {
        "name": study.trial.title,
        "version": "1.0.0",
        "created": study.manifest["started"],
        "modified": study.finished,
        "contributors": [*people, {"name": program, "contribution": ["createdWith"]}],
        "license": RIGHTS,
    }


def _usability(study: Study, answers: Answers) -> list[str]:
    return [
        "SIMULATED DATA: all subjects are virtual; no person took part.",
        f"Question: {answers.question}",
        f"Context of use: {answers.context}",
        f"Limits: {study.trial.limits}",
    ]


def _description(study: Study, folder: Path) -> dict[str, Any]:
    return {
        "keywords": ["clinical trial simulation", "simulated data", "virtual subjects", study.trial.name],
        "platform": [f"Python {study.manifest['versions']['python']}", _system(study)],
        "pipeline_steps": _steps(study, folder),
    }


def _system(study: Study) -> str:
    machine = study.manifest["machine"]
    return f"{machine['system']} {machine['machine']}"


def _steps(study: Study, folder: Path) -> list[dict[str, Any]]:
    """Calibration where there was one, simulation with analysis, and what was made of the outcomes."""
    fit = "The population is fitted to data of real patients; draws of its posterior distribution are kept."
    rows = [
        ("calibration", fit, (CONFIG,), (POSTERIOR,)),
        ("simulation and analysis",
         "Virtual patients are drawn, treated, measured and analysed in every replicate of every scenario.",
         (CONFIG, POSTERIOR), (f"{HERE}outcomes.parquet",)),
        ("operating characteristics", "Error rates, bias and coverage with their Monte Carlo standard errors.",
         (f"{HERE}outcomes.parquet",), ("simulation/operating-characteristics.csv",)),
    ]  # fmt: skip
    kept = rows if study.posterior is not None else rows[1:]
    version = str(study.manifest["versions"]["trialtwin"])
    return [
        {
            "step_number": number,
            "name": name,
            "description": what,
            "version": version,
            "input_list": [listed(folder, path, study) for path in used if (folder / path).is_file()],
            "output_list": [listed(folder, path, study) for path in made],
        }
        for number, (name, what, used, made) in enumerate(kept, 1)
    ]


def _execution(study: Study) -> dict[str, Any]:
    versions = study.manifest["versions"]
    wanted = [
        {"name": name, "version": version, "uri": {"uri": f"pkg:pypi/{name}@{version}"}}
        for name, version in versions.items()
        if name != "python" and " " not in version
    ]
    python = {
        "name": "python",
        "version": versions["python"],
        "uri": {"uri": f"pkg:generic/python@{versions['python']}"},
    }
    return {
        "script": [{"uri": {"uri": address(study, REPRODUCE)}}],
        "script_driver": "bash",
        "software_prerequisites": [python, *wanted],
        "external_data_endpoints": [],
        "environment_variables": {},
    }


def _parameters(study: Study) -> list[dict[str, str]]:
    """Seed, replicates and the digest of every field that can change a number; the fields are in the configuration."""
    solver = study.manifest["solver"]
    rows = {
        "seed": study.manifest["seed"],
        "replicates": study.manifest["replicates"],
        "random_numbers": study.manifest["random_numbers"],
        "configuration_sha256": study.manifest["digests"]["config"],
        "solver": f"{solver['name']}: {json.dumps(solver['settings'], sort_keys=True)}",
    }
    return [{"param": name, "value": str(value), "step": "2" if study.posterior is not None else "1"}
            for name, value in rows.items()]  # fmt: skip


def _files(study: Study, folder: Path) -> dict[str, Any]:
    given = [path for path in (CONFIG, "provenance/environment.lock", "model/priors.json", "model/equations.txt")
             if (folder / path).is_file()]  # fmt: skip
    made = [
        path.relative_to(folder).as_posix()
        for place in ("simulation/*.csv", "m5/datasets/*/**/*.xpt", "m5/reports/*.pdf", "model/posterior.nc")
        for path in sorted(folder.glob(place))
    ]
    return {
        "input_subdomain": [{"uri": listed(folder, path, study)} for path in given],
        "output_subdomain": [{"mediatype": media(path), "uri": listed(folder, path, study)} for path in made],
    }


def _errors(study: Study) -> dict[str, Any]:
    """Monte Carlo standard errors as the empirical error, tolerances and failures as the algorithmic one."""
    largest: dict[str, float] = {}
    for analyses in study.characteristics.values():
        for names in analyses.values():
            for name, entry in names.items():
                if entry["mcse"] is not None:
                    largest[name] = max(largest.get(name, 0.0), float(entry["mcse"]))
    manifest = study.manifest
    return {
        "empirical_error": {
            "description": "Largest Monte Carlo standard error of each operating characteristic of the run",
            "replicates": manifest["replicates"],
            "monte_carlo_standard_errors": largest,
        },
        "algorithmic_error": {
            "solver": manifest["solver"],
            "failures": manifest["failures"],
            "checks_of_the_fit": dict(manifest.get("evidence", {})).get("checks", {}),
        },
    }
