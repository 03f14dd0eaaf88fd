"""What the documents show is what a reader gets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import documents


@pytest.mark.parametrize("document", documents.DOCUMENTS, ids=lambda document: document.name)
def test_every_command_prints_what_the_document_shows(document: Path) -> None:
    wrong = documents.check(document)
    assert not wrong, "\n\n".join(wrong)


def test_the_check_can_fail() -> None:
    assert documents.fits("a\n...\nd", "a\nb\nc\nd")
    assert not documents.fits("a\n...\nd", "a\nb\nc")
    assert not documents.fits("20 interleavings", "21 interleavings")


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    text = (documents.ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"block{number}.py"
        file.write_text(block, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(file)],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(documents.ROOT)},
        )
        assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for document in [*documents.DOCUMENTS, *documents.ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("package", ["simulator", "scenarios"])
def test_the_map_names_every_file(package: str) -> None:
    text = (documents.ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text[text.index("## Map") : text.index("## How a check goes")]
    files = [path for path in (documents.ROOT / package).rglob("*.py") if not path.name.startswith("__")]
    assert len(files) > 5
    named = set(re.findall(r"(?<!\w)[a-z]\w*\.py", table))
    missing = [path.name for path in files if path.name not in named and not path.name.endswith("_command.py")]
    assert missing == []
    gone = named - {path.name for name in ("simulator", "scenarios") for path in (documents.ROOT / name).rglob("*.py")}
    assert gone == set()
