"""Notebooks run from the first cell to the last, without a warning."""

import asyncio
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from trials.cli import main

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook shows its figures, whatever the shell prefers
    outputs = executed(path, tmp_path)
    assert "Warning" not in said(outputs, "stderr"), said(outputs, "stderr")
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.notebook
def test_table_of_two_designs_is_that_of_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    path = NOTEBOOKS[0].parent / "designs.ipynb"
    told = said(executed(path, tmp_path), "stdout")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert sum(bool(line.strip()) for cell in cells for line in cell.splitlines()) < 30
    runs = {}
    for folder in (tmp_path / "runs" / "parkinson_delayed_start").iterdir():
        design = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["design"]
        runs["sequential" if "boundary" in design else "fixed"] = folder
    assert main(["compare", *(f"{name}={runs[name]}" for name in ("fixed", "sequential"))]) == 0
    table = capsys.readouterr().out
    assert table in told
    scenarios = {line.split(",")[0] for line in table.splitlines()[1:] if not line.startswith(" ")}
    assert len(scenarios) == 4


def executed(path, folder):
    """Outputs of a notebook run from the first cell to the last in a folder."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    asyncio.run(client.async_execute())
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def said(outputs, stream):
    """What was written to a stream."""
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)
