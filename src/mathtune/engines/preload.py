"""What the fork server imports once for all workers."""

import transformers.models.llama.modeling_llama  # noqa: F401

import mathtune.engines.embedded
import mathtune.engines.scoring  # noqa: F401
