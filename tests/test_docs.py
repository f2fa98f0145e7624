"""What the README, the pages and the notebooks say exists."""

import re
from pathlib import Path

import nbformat
import pytest

from trials.cli import COMMANDS

HOME = Path(__file__).resolve().parents[1]


def name(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


PAGES = [HOME / "README.md", HOME / "benchmarks" / "README.md", *sorted((HOME / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_local_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


def commands(page: Path) -> list[str]:
    """Commands of a page's console blocks, continued lines joined."""
    blocks = re.findall(r"^```(?:console|sh|bash)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").split(" #")[0].strip() for line in lines if line.strip() and line[0] != "#"]


def test_readme_begins_with_two_commands():
    first = commands(HOME / "README.md")[:2]
    assert first == ["python3 start.py run trial=theophylline_bioequivalence", "python3 start.py test"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_name_things_that_exist(page):
    for command in commands(page):
        words = [word for word in command.split() if not word.startswith("PYTHONPATH=")]
        if words[:2] == ["python3", "start.py"]:
            words = ["trialtwin", *words[2:]]
            if words[1] in ("test", "lint", "setup", "python"):
                continue
        if words[0] == "trialtwin":
            assert words[1] in COMMANDS or words[1].startswith("--"), command
        for group, chosen in re.findall(r"\b(trial|model|population|cluster|solver|tracking)=([a-z_,0-9]+)", command):
            if "--config-dir" not in command:
                missing = [one for one in chosen.split(",") if not (HOME / "conf" / group / f"{one}.yaml").is_file()]
                assert not missing, command


@pytest.mark.parametrize("path", sorted((HOME / "notebooks").glob("*.ipynb")), ids=name)
def test_notebook_is_valid_and_cleared(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
