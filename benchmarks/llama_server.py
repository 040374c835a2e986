"""Start llama.cpp's server on a GGUF file. For tests and benchmarks/sampling.py.

    .venv-llama/bin/python benchmarks/llama_server.py models/smollm2.gguf 8080 --slots 4

Run by a Python that has xllamacpp (`make llama-env`), whose wheel holds llama.cpp's own server. It
serves until it is ended.
"""

from __future__ import annotations

import argparse
import threading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gguf")
    parser.add_argument("port", type=int)
    parser.add_argument("--slots", type=int, default=4, help="requests answered at once")
    parser.add_argument("--context", type=int, default=512, help="tokens per slot")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = args.gguf
    settings.hostnames, settings.port = ["127.0.0.1"], args.port
    settings.n_parallel, settings.n_ctx = args.slots, args.slots * args.context
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = args.threads
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
