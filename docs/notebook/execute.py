"""Execute the notebook and write it as Markdown for the site: `python docs/notebook/execute.py`.

A cell that fails ends this with its error. The pages that the notebook makes are left in out/, which
the gallery shows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jupytext
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

HERE = Path(__file__).parent
SOURCE = HERE / "samples_to_report.py"


def main() -> None:
    """Execute, then export."""
    (HERE / "out").mkdir(exist_ok=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"COLUMNS": "110", "MPLBACKEND": "agg"}
    notebook = jupytext.read(SOURCE)
    ExecutePreprocessor(timeout=300).preprocess(notebook, {"metadata": {"path": str(HERE)}})
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    SOURCE.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
