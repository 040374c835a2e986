"""What test_distributed launches in several processes: every objective, trained once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mathtune.stages.train import Train


def main(folder: Path) -> None:
    configs: dict[str, dict[str, Any]] = json.loads((folder / "configs.json").read_text())
    for name, config in configs.items():
        out = folder / "launched" / name
        out.mkdir(parents=True, exist_ok=True)
        Train(**config).run(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
