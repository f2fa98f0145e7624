"""``trialtwin score RUN RULES.yaml``: decision rules, and families of hypotheses, scored on the trials a run left."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print how often each rule makes a trial a success and, of a run's own, what its families achieve."""
    import yaml

    from trials import multiplicity
    from trials.errors import TrialError
    from trials.multiplicity.families import own_families
    from trials.rules.scoring import score
    from trials.table import families_table, rules_table

    parser = argparse.ArgumentParser("trialtwin score", description="Score decision rules on the trials of a run.")
    parser.add_argument("run", help="folder of the run, runs/<trial>/<time>-<digest>")
    parser.add_argument("rules", nargs="?", help="YAML file of rules by name; the run's own when left out")
    parser.add_argument("--out", help="write the numbers to this JSON file")
    given = parser.parse_args(arguments)
    rules = None
    if given.rules:
        try:
            rules = yaml.safe_load(Path(given.rules).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise TrialError(f"rules: {given.rules} cannot be read ({error})") from None
    found = score(given.run, rules)
    families = () if given.rules else own_families(given.run)
    achieved = multiplicity.score(given.run) if families else {}
    tables = [table for table in (rules_table(found), families_table(families, achieved)) if table]
    if not tables:
        raise TrialError(f"rules: the trial of {given.run} has none of its own; name a YAML file with some")
    print("\n\n".join(tables))
    if given.out:
        scores = {name: by | achieved.get(name, {}) for name, by in found.items()}
        Path(given.out).write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    return 0
