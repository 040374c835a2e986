"""What the fork server imports once for all workers."""

import time

import transformers.models.llama.modeling_llama  # noqa: F401

import mathtune.engines.transformers.decode
import mathtune.engines.transformers.scoring  # noqa: F401

CPU_S = time.process_time()
"""What the imports cost the fork server, whose time no one else can see."""
