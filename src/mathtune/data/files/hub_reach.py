"""Ask the hub once; its clients would ask six times and print a line each time. Under everything
that reads data sets of the hub.
"""

from __future__ import annotations

import importlib

SECONDS = 10.0
"""The longest time for the hub to say whether it has a data set, in seconds."""


UNREACHED = "the hub cannot be reached"


def ask_once(name: str, *, revision: str | None = None) -> bool:
    """Ask the hub for a data set; return whether it answered at all.

    If it did not, its clients read earlier downloads, and ask for nothing again in this process.
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
