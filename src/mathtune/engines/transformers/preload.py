"""The imports that the fork server makes once for all its children."""

import time

import transformers.models.llama.modeling_llama  # noqa: F401

import mathtune.engines.transformers.decode
import mathtune.engines.transformers.scoring  # noqa: F401
from mathtune.run import children, server_start

children.server_cpu_s = time.process_time()
server_start.imported()
