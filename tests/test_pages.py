"""The worked examples of the pages: their files are written out as they stand and their commands are run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import trials

DOCS = Path(__file__).resolve().parents[1] / "docs"
FILE = re.compile(r"^`(mine/\S+)`\n\n```(?:yaml|python)\n(.*?)^```", re.M | re.S)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
PAGES = ["add_a_drug", "add_a_trial", "add_a_design"]


def written(page: str, folder: Path) -> list[Path]:
    """Files of a page, in a folder."""
    made = []
    for path, text in FILE.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")):
        made.append(folder / path)
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        made[-1].write_text(text, encoding="utf-8")
    return made


def commands(page: str) -> list[list[str]]:
    """Commands of a page that begin with ``trialtwin``, split as a shell would, variables set before them left out."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    lines = [shlex.split(line) for block in CONSOLE.findall(text) for line in block.splitlines()]
    return [words[words.index("trialtwin") + 1 :] for words in lines if "trialtwin" in words]


def trialtwin(words: list[str], folder: Path) -> str:
    """Run a command of the page in a folder; what it printed."""
    command = [sys.executable, "-m", "trials.cli", *words]
    home = str(DOCS.parent)
    paths = {"PYTHONPATH": os.pathsep.join((str(folder), home)), "MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_page_runs_as_it_stands(page, tmp_path):
    assert written(page, tmp_path)
    assert commands(page)
    for words in commands(page):
        trialtwin(words, tmp_path)
    (folder,) = (tmp_path / "runs").glob("*/*/characteristics.json")
    scenarios = json.loads(folder.read_text(encoding="utf-8"))
    assert len(scenarios) == 2
    for analyses in scenarios.values():
        for characteristics in analyses.values():
            decided = characteristics.get("power") or characteristics["type_1_error"]
            assert decided["replicates"] == 20
            assert all(row["value"] is None or row["mcse"] is not None for row in characteristics.values())


@pytest.mark.slow
def test_readme_examples_run_as_they_stand(tmp_path, monkeypatch, capsys):
    examples = re.findall(
        r"^```python\n(.*?)^```", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "'replicates': 1000" in printed
    assert (names["result"].folder / "report.html").is_file()
    assert float(names["patient"]["response"].min()) < 100
    assert (names["patients"].sizes["replicate"], names["patients"].sizes["subject"]) == (100, 200)
    assert names["exposure"]["AUCTAU"].sizes["subject"] == names["reduced"].sizes["subject"] == 10_000


def test_design_without_python_loads(tmp_path):
    written("add_a_design", tmp_path)
    trial = trials.load("theophylline_bioequivalence", ["design=balaam"], config_dir=tmp_path / "mine")
    assert trial.protocol.design.orders == ((0, 0), (1, 1), (0, 1), (1, 0))


def test_wrong_unit_is_refused_with_its_line(tmp_path):
    path = next(path for path in written("add_a_drug", tmp_path) if path.parent.name == "model")
    path.write_text(path.read_text(encoding="utf-8").replace("cl * cp", "cl * central"), encoding="utf-8")
    command = [sys.executable, "-m", "trials.cli", *commands("add_a_drug")[-1]]
    env = os.environ | {"PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "derivatives.central" in done.stderr
    assert "mg/d" in done.stderr
    assert "L*mg/d" in done.stderr
    assert not (tmp_path / "runs").exists()
