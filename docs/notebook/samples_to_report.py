# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From samples to a compared report
#
# You have files of samples, from any program, and want to know what they are worth. This takes five minutes and needs
# `pip install mathtune` alone: no torch, no GPU, no model.
#
# The two files beside this notebook hold 8 samples of each of 100 problems: `base.jsonl` from the embedded base model,
# `ssft.jsonl` from the same model after fine-tuning on 1,000 solutions, with a judge's scores. Put your own files in
# their place; `mathtune grade` says how it reads them.

# %%
import json
import subprocess
from pathlib import Path

import mathtune

ssft = [json.loads(line) for line in Path("ssft.jsonl").read_text(encoding="utf-8").splitlines()]
first = ssft[0]
print(first["problem"])
print("gold:", first["gold_answer"])
print(first["samples"][0])

# %% [markdown]
# ## One sample: its answer and its verdict

# %%
answer = mathtune.extract(first["samples"][0])
(
    answer.text,
    mathtune.compare(answer.text, first["gold_answer"]),
    mathtune.explain(answer.text, "30.0"),
)

# %% [markdown]
# ## One problem: its clusters
#
# Answers that are equal form a cluster; the largest cluster is the majority vote.

# %%
answers = [found.text if (found := mathtune.extract(text)) else None for text in first["samples"]]
print(answers)
print(mathtune.cluster(answers))

# %% [markdown]
# ## All of them: means, votes, re-ranking
#
# The command is the same in a terminal, without the `!`-like wrapper.


# %%
def run(command: str) -> None:
    """Run a command and show what it prints."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=True)
    print(done.stdout)


run("mathtune measure ssft.jsonl --report out/report.html")

# %% [markdown]
# `mean` is one sample, `Maj1@8` the majority of eight, `Pass@8` an oracle: at least one of the eight is right. `W.RR`
# weighs votes by the judge's scores. Every line has its interval over problems. `out/report.html` has all of it as one
# page, with every problem, cluster and sample.

# %% [markdown]
# ## Two files, problem by problem

# %%
run("mathtune compare ssft=ssft.jsonl base=base.jsonl --report out/compared.html")

# %% [markdown]
# ## Is 100 problems enough?
#
# To see a gain of two points you would need more:

# %%
run("mathtune plan ssft.jsonl --effect 0.02")
