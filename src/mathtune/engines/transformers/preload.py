"""What the fork server imports once for all workers."""

import time

import transformers.models.llama.modeling_llama  # noqa: F401

import mathtune.engines.transformers.decode
import mathtune.engines.transformers.scoring  # noqa: F401
from mathtune.run import fork_server

fork_server.cpu_s = time.process_time()
