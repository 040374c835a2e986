"""Ask the hub once; its clients would ask six times, each with a line. Under everything that reads
data sets of the hub.
"""

from __future__ import annotations

import importlib

SECONDS = 10.0
"""How long the hub may take to say whether it has a data set."""


UNREACHED = "the hub cannot be reached"


def ask_once(name: str, *, revision: str | None = None) -> bool:
    """Ask the hub for a data set; return whether it answered, whatever it said.

    If it did not, its clients read what was downloaded before, and ask for nothing again in this
    process.
    """
    hub = importlib.import_module("huggingface_hub")
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        hub.HfApi().dataset_info(name, revision=revision, timeout=SECONDS)
    except (errors.HfHubHTTPError, errors.HFValidationError):
        return True  # loading explains what is missing
    except Exception:  # of the hub's client, which has many for networks and offline mode
        for module in ("huggingface_hub.constants", "datasets.config"):
            vars(importlib.import_module(module))["HF_HUB_OFFLINE"] = True
        return False
    return True
