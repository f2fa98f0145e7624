"""The script that repeats the run of a package and compares the digest of its outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trials.evidence.writing import write_text

if TYPE_CHECKING:
    from trials.evidence.study import Study

SCRIPT = """#!/usr/bin/env bash
# Repeats the run of this package and compares the digest of its outcomes with the one that was packaged.
#   1. python{python} -m venv venv && venv/bin/pip install -r provenance/environment.lock
#   2. TRIALTWIN=venv/bin/trialtwin bash validation/reproduce.sh
# Exit code 0: the same outcomes, bit for bit; 1: others.{fit}
set -euo pipefail
here=$(cd "$(dirname "${{BASH_SOURCE[0]}}")/.." && pwd)
program=${{TRIALTWIN:-trialtwin}}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$program" run "$here/provenance/config-resolved.yaml" "runs=$out"{posterior}
found=$(sed -n 's/^ *"outcomes": "\\([0-9a-f]*\\)".*/\\1/p' "$out"/{trial}/*/manifest.json)
wanted={wanted}
echo "outcomes packaged: $wanted"
echo "outcomes repeated: $found"
if [ "$found" = "$wanted" ]; then echo "the same"; else echo "NOT the same"; exit 1; fi
"""
FIT = """
# The population is not fitted again: the packaged draws are used, since a sampler's bits depend on the machine. To fit
# it again, leave the last argument of the run away."""


def write_script(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``validation/reproduce.sh``."""
    fitted = (study.run / "posterior.nc").is_file()
    text = SCRIPT.format(
        python=".".join(str(study.manifest["versions"]["python"]).split(".")[:2]),
        fit=FIT if fitted else "",
        posterior=' "calibration.posterior=$here/model/posterior.nc"' if fitted else "",
        trial=study.trial.name,
        wanted=study.manifest["digests"]["outcomes"],
    )
    write_text(folder / "validation" / "reproduce.sh", text)
