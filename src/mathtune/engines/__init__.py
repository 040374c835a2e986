"""Models, sampling and scoring. Importing this package loads no torch; its modules do."""

from __future__ import annotations

from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
"""auto: bfloat16 on cuda, float32 elsewhere."""
