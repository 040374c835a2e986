"""What a GGUF file says of its model and transformers' reader leaves out. Below models.

The reader takes a config class's defaults where it does not know a key, drops tensors that have no
place, and so gives other numbers without a warning. Here the config is completed from the file,
and what cannot be completed is refused.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig
from transformers.integrations.ggml import GGUF_CONFIG_DEFAULTS_MAPPING, GGUF_CONFIG_MAPPING
from transformers.integrations.gguf import GGUF_CONFIG_ARCHS, GgufHeader, read_gguf_metadata
from transformers.integrations.gguf.reader import load_gguf_state_dict
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from mathtune.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

TOKENS, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.merges"
INSTEAD = "expected the model as a folder of safetensors"
SAME_NAME = (
    *("bloom", "falcon", "gemma2", "gemma3", "gpt2", "lfm2", "llama", "mamba", "nemotron", "phi3"),
    *("qwen2", "qwen3", "stablelm", "starcoder2"),
)
"""The architectures that files and transformers' reader name alike."""
ARCHITECTURES = {
    **{one: one for one in SAME_NAME},
    "minimax-m2": "minimax_m2",
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
}
"""The architectures whose logits have been compared with the models' own, as files name them, and
the reader's names of them.
"""
TIED = ("bloom", "falcon")
"""The architectures whose output is always the embedding."""
GATES = {0: "none", 1: "softmax", 2: "sigmoid"}
"""The functions that choose experts, by their numbers in files."""
FIELDS = {
    "attention.key_length": ("head_dim",),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps", "norm_eps"),
    "attention.layer_norm_epsilon": (
        *("layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"),
    ),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "attention.sliding_window": ("sliding_window",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "expert_weights_norm": ("norm_topk_prob",),
}
"""The keys of a file, and the fields of a config that hold them: the first one that it has."""
READ = (
    *("attention.head_count", "attention.layer_norm_rms_epsilon", "block_count"),
    *("embedding_length", "expert_count", "expert_used_count", "full_attention_interval"),
    *("nextn_predict_layers", "rope.dimension_sections", "ssm.conv_kernel", "ssm.group_count"),
    *("ssm.inner_size", "ssm.state_size", "ssm.time_step_rank"),
)
"""The keys from which the reader itself makes a whole config, beside `SAID_TWICE` and `FIELDS`."""
BIASES = {"attn_q.bias": "attention_bias", "ffn_up.bias": "mlp_bias"}
"""The ends of tensors' names, and the fields that say that a model has these."""
SAID_TWICE = (
    *("attention.head_count_kv", "attention.key_length", "attention.value_length"),
    *("context_length", "expert_feed_forward_length", "feed_forward_length", "pooling_type"),
    *("rope.dimension_count", "rope.freq_base", "tensor_data_layout", "use_parallel_residual"),
    "vocab_size",
)
"""Keys that change nothing, since other keys, tensors or the architecture say the same."""
SCALES = ("scale", "scaling", "factor")
"""Parts of the names of keys with which 1 changes nothing; of all others, 0 and `none` do not."""
LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""The numbers from which Llama 3 makes its frequencies, beside the factor."""


class GgufFile:
    """A file's metadata and the shapes of its tensors; `keys`: those of its architecture.

    Both are read once, since a vocabulary is long.
    """

    def __init__(self, path: Path) -> None:
        metadata, _ = read_gguf_metadata(str(path), (TOKENS, MERGES))
        self.path, self.metadata = path, metadata
        self.architecture = str(metadata["general.architecture"])
        if not self.complete and self.architecture not in ARCHITECTURES:
            self.refuse("general.architecture", self.architecture)
        begin = f"{self.architecture}."
        self.keys = {
            key.removeprefix(begin): value
            for key, value in metadata.items()
            if key.startswith(begin)
        }
        self.specials = {
            name: metadata.get(f"tokenizer.ggml.{name}")
            for name in ("bos_token_id", "eos_token_id", "eot_token_id")
        }
        self.header = GgufHeader.from_file(str(path))
        self.shapes = {info.name: info.shape for info in self.header.tensors}

    @property
    def complete(self) -> bool:
        """Whether transformers makes a whole config from the file, and reports on its tensors."""
        return self.architecture in GGUF_CONFIG_ARCHS

    def config(self) -> PreTrainedConfig:
        """Return the model's config, with what the file says and the reader leaves out. A solution
        ends with the file's end token, and with that of a turn.

        Raises:
            InputError: the file says what its config cannot hold.
        """
        config = self._begun()
        start, end, turn = self.specials.values()
        config.bos_token_id = start  # a class's default would be another model's token
        config.eos_token_id = end if turn in (None, end) else [end, turn]
        left = dict(self.keys)
        for key, fields in FIELDS.items():
            known = [field for field in fields if hasattr(config, field)]
            if known and left.get(key) is not None:
                value = left.pop(key)
                setattr(config, known[0], value if isinstance(value, bool) else value or None)
        self._check_heads(config)
        for end, field in BIASES.items():
            if any(name.endswith(end) for name in self.shapes) and hasattr(config, field):
                setattr(config, field, True)
        self._turn(config, left)
        self._check_windows(config, left)
        read = READ if self.complete else GGUF_CONFIG_MAPPING[ARCHITECTURES[self.architecture]]
        for key, value in left.items():
            if key not in read and key not in SAID_TWICE and not _plain(key, value):
                self.refuse(key, value)
        return config

    def _begun(self) -> PreTrainedConfig:
        """Return the config of the keys that the reader knows."""
        if self.complete:
            return AutoConfig.from_pretrained(
                str(self.path.parent), gguf_file=str(self.path.absolute()), trust_remote_code=False
            )
        name = ARCHITECTURES[self.architecture]
        fields = {
            field: self.keys[key]
            for key, field in GGUF_CONFIG_MAPPING[name].items()
            if field is not None and key in self.keys
        }
        fields.setdefault("vocab_size", len(self.metadata[TOKENS]))
        separate_output = "output.weight" in self.shapes and name not in TIED
        fields["tie_word_embeddings"] = not separate_output
        fields |= GGUF_CONFIG_DEFAULTS_MAPPING.get(name, {})
        if (padding := self.metadata.get("tokenizer.ggml.padding_token_id")) is not None:
            fields["pad_token_id"] = padding
        if name == "stablelm":
            fields["use_qkv_bias"] = any(".attn_q.bias" in one for one in self.shapes)
            fields["use_parallel_residual"] = not any(".ffn_norm." in one for one in self.shapes)
        elif name == "lfm2":  # layers without heads are convolutions
            heads = fields["num_key_value_heads"]
            fields["num_key_value_heads"] = max(heads)
            fields["full_attn_idxs"] = [layer for layer, count in enumerate(heads) if count]
            fields["block_auto_adjust_ff_dim"] = False
        elif name == "minimax_m2":
            fields["scoring_func"] = GATES[fields["scoring_func"]]
        return AutoConfig.for_model("gemma3_text" if name == "gemma3" else name, **fields)

    def _check_heads(self, config: PreTrainedConfig) -> None:
        """Raise InputError for heads of another size than the config can say."""
        for key in ("attention.key_length", "attention.value_length"):
            if key in self.keys and self.keys[key] != _head_size(config):
                self.refuse(key, self.keys[key])

    def _check_windows(self, config: PreTrainedConfig, left: dict[str, Any]) -> None:
        """Raise InputError for windows, or layers with them, that the config does not have; take
        from `left` what it has.
        """
        key = "attention.sliding_window"
        if left.get(key, 0) >= self.keys.get("context_length", 0):
            left.pop(key, None)  # no text is longer
        pattern = left.pop(f"{key}_pattern", None)
        if pattern is None:
            return
        kinds = getattr(config, "layer_types", None) or []
        if isinstance(pattern, int):
            pattern = [bool((at + 1) % pattern) for at in range(config.num_hidden_layers)]
        if [kind == "sliding_attention" for kind in kinds] != [bool(one) for one in pattern]:
            self.refuse(f"{key}_pattern", pattern)

    def _turn(self, config: PreTrainedConfig, left: dict[str, Any]) -> None:
        """Complete the rotary positions of a config; take from `left` what they now hold."""
        whole = getattr(config, "rope_parameters", None)
        if not whole:
            return
        nested = whole.get("full_attention")
        rope: dict[str, Any] = whole if nested is None else nested
        if "rope.freq_base" in left:
            rope["rope_theta"] = left["rope.freq_base"]
        if nested is not None and "rope.freq_base_swa" in left:
            whole["sliding_attention"]["rope_theta"] = left.pop("rope.freq_base_swa")
        size = _head_size(config)
        turned = left.get("rope.dimension_count", size)
        if turned != int(size * rope.get("partial_rotary_factor", 1.0)):
            rope["partial_rotary_factor"] = turned / size
        scaling = _scaling(left)
        kind = scaling.pop("type")
        if "rope_factors_long.weight" in self.shapes:
            kind = "longrope"
        if kind != "none":
            if kind not in SCALINGS:
                self.refuse("rope.scaling.type", kind)
            rope |= SCALINGS[kind](self, config, scaling)
        left |= {f"rope.scaling.{key}": value for key, value in scaling.items()}
        if "rope_freqs.weight" in self.shapes:
            rope |= self._llama3(config)

    def _longrope(self, config: PreTrainedConfig, scaling: dict[str, Any]) -> dict[str, Any]:
        """Return Phi-3's rotary positions: a factor per frequency, for short and for long rows."""
        del config
        return {
            "rope_type": "longrope",
            "short_factor": self._tensor("rope_factors_short.weight").tolist(),
            "long_factor": self._tensor("rope_factors_long.weight").tolist(),
            "attention_factor": scaling.pop("attn_factor", 1.0),
            "original_max_position_embeddings": scaling.pop("original_context_length"),
        }

    def _llama3(self, config: PreTrainedConfig) -> dict[str, Any]:
        """Return Llama 3's rotary positions, of which the file has only the outcome."""
        factors = self._tensor("rope_freqs.weight")
        found = {"rope_type": "llama3", "factor": float(factors.max()), **LLAMA3}
        plain = config.rope_parameters
        config.rope_parameters = plain | found
        slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](config)
        size = 2 * len(slowed)
        unslowed = plain["rope_theta"] ** -(torch.arange(0, size, 2).float() / size)
        config.rope_parameters = plain
        if len(factors) != len(slowed) or not torch.allclose(unslowed / factors, slowed, rtol=1e-3):
            self.refuse("rope_freqs.weight", "other factors than Llama 3's")
        return found

    def _tensor(self, name: str) -> torch.Tensor:
        stored = load_gguf_state_dict(self.header)
        if name not in stored:
            self.refuse(name, "nothing")
        return stored[name][...].float()

    def refuse(self, key: str, value: Any, *, verb: str = "says") -> None:
        """Raise InputError about a key, or about what the file holds."""
        raise InputError(
            f"model {str(self.path)!r}: its GGUF file {verb} {key} {str(value)[:80]}, which "
            f"transformers does not read, so its numbers would be wrong; {INSTEAD}."
        )


def _plain(key: str, value: Any) -> bool:
    """Return whether a key that nothing reads changes nothing with this value."""
    if key == "attention.causal":
        return value is True
    if isinstance(value, bool) or value is None:
        return not value
    return value in (0, "none") or (value == 1 and any(part in key for part in SCALES))


def _head_size(config: PreTrainedConfig) -> int:
    whole = config.hidden_size // config.num_attention_heads
    return getattr(config, "head_dim", None) or whole


def _scaling(left: dict[str, Any]) -> dict[str, Any]:
    """Take the keys of scaled positions out of `left`; return them without their beginning."""
    begin = "rope.scaling."
    found = {key.removeprefix(begin): left.pop(key) for key in list(left) if key.startswith(begin)}
    found.pop("finetuned", None)
    return {"type": "linear" if found.get("factor", 1.0) != 1.0 else "none", **found}


def _linear(file: GgufFile, config: PreTrainedConfig, scaling: dict[str, Any]) -> dict[str, Any]:
    """Return positions that are divided by a factor."""
    del file, config
    scaling.pop("original_context_length", None)
    return {"rope_type": "linear", "factor": scaling.pop("factor")}


def _yarn(file: GgufFile, config: PreTrainedConfig, scaling: dict[str, Any]) -> dict[str, Any]:
    """Return YaRN's positions; the file's `attn_factor` is multiplied with the usual one."""
    del file
    factor = scaling.pop("factor")
    stated = scaling.pop("attn_factor", 1.0) * scaling.pop("yarn_attn_factor", 1.0)
    context = scaling.pop("original_context_length", config.max_position_embeddings)
    betas = {
        key: scaling.pop(f"yarn_{key}")
        for key in ("beta_fast", "beta_slow")
        if f"yarn_{key}" in scaling
    }
    return {
        "rope_type": "yarn",
        "factor": factor,
        "attention_factor": stated * (1 + 0.1 * log(factor)),
        "original_max_position_embeddings": context,
        **betas,
    }


SCALINGS = {"linear": _linear, "yarn": _yarn, "longrope": GgufFile._longrope}
"""How positions are scaled, by its name in a file."""
