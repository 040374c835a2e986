"""Write the embedded model as a GGUF file, so that llama.cpp can run it beside us.

    python benchmarks/embedded_gguf.py embedded.gguf

Its tokenizer takes the longest known token at each place, and no token crosses the borders at which
its text is split first, so that llama.cpp's tokenizer for RWKV models gives the same tokens.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers.convert_slow_tokenizer import bytes_to_unicode

from mathtune.engines import embedded_model

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TEMPLATE = (
    "{% for m in messages if m['role'] == 'user' %}Problem: {{ m['content'] }}\n"
    "Solution:\n{% endfor %}"
)
"""The plain form as a chat template, for clients that know chats only."""


def write(path: Path) -> None:
    """Write weights in float32, sizes, tokens and the template."""
    source = embedded_model.path()
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(str(path), "llama")
    _sizes(writer, config)
    _tokens(writer, json.loads((source / "tokenizer.json").read_text()), config["vocab_size"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, tensor in load_file(source / "model.safetensors").items():
        values: NDArray[np.float32] = tensor.float().numpy()
        many = heads.get(name.removesuffix(".weight").rpartition(".")[2])
        writer.add_tensor(
            _name(name), values if many is None else np.ascontiguousarray(_turned(values, many))
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _sizes(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_name("embedded")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    for add in (writer.add_key_length, writer.add_value_length, writer.add_rope_dimension_count):
        add(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _tokens(writer: gguf.GGUFWriter, tokenizer: dict[str, Any], size: int) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    names = sorted(vocabulary, key=vocabulary.get)
    names += [f"<unused {number}>" for number in range(len(names), size)]
    plain = {name for name in names if name not in special and name in vocabulary}
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list([_escaped(name) if name in plain else name for name in names])
    kinds = gguf.TokenType
    writer.add_token_types([kinds.NORMAL if name in plain else kinds.CONTROL for name in names])
    writer.add_eos_token_id(vocabulary["<|end|>"])
    writer.add_pad_token_id(vocabulary["<|pad|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _escaped(token: str) -> str:
    """Return a byte-level token as RWKV's vocabulary writes it: bytes beyond ASCII as \\xe2."""
    number = {letter: byte for byte, letter in bytes_to_unicode().items()}
    codes = [number[letter] for letter in token]
    plain = [32 <= code < 127 and code != ord("\\") for code in codes]
    return "".join(
        chr(code) if as_is else f"\\x{code:02x}" for code, as_is in zip(codes, plain, strict=True)
    )


def _name(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, block, rest = name.split(".", 3)
    return f"blk.{block}.{NAMES[rest.removesuffix('.weight')]}.weight"


def _turned(weights: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return a projection in llama.cpp's order: the halves of each head's rotation interleaved."""
    rows, columns = weights.shape
    halves = weights.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
