"""The notebook runs from an empty store to a judged challenger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "retrain.ipynb"


def test_the_notebook_is_short():
    assert len(nbformat.read(NOTEBOOK, as_version=4).cells) < 15


def test_the_notebook_holds_no_output():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs"), "clear the outputs before committing"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [n for n in os.environ if n.startswith("LEADLOOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEADLOOP_HOME", str(tmp_path / "var"))
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        out.get("text", "") for cell in book.cells if cell.cell_type == "code" for out in cell.outputs
    )
    assert "rows of" in printed
    assert "True -" in printed, "a first model on the synthetic firm is worth promoting"
