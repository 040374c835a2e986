"""Load a causal language model and its tokenizer. Training and the engines begin here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from logging import LogRecord, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging

from mathtune.engines import Dtype, model_names, prompts
from mathtune.engines.token_ids import refuse_growth
from mathtune.engines.transformers import (
    config_faults,
    folder_tokenizer,
    generation_settings,
    gguf_tokenizer,
    gguf_weights,
)
from mathtune.engines.transformers.gguf_file import GgufFile
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.progress import say_once, visible

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FULL = ("F64", "F32", "F16", "BF16")
"""The types of full weights, as safetensors names them."""
LIBRARIES = {
    "aqlm": "aqlm",
    "auto-round": "auto-round",
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "gptq": "gptqmodel optimum",
    "hqq": "hqq",
    "quanto": "optimum-quanto",
    "torchao": "torchao",
    "vptq": "vptq",
}
"""The packages that read quantised weights, by the name of the method in config.json."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name: str, *, device: str = "auto", dtype: Dtype = "auto", bits: Literal[4, 8] | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the model called `name`, in evaluation mode, and its tokenizer.

    `name` is `embedded` (the base model that ships with mathtune), a hub id, a local folder or a
    .gguf file (its weights are dequantized). `device` and `dtype` as in `resolve_device`,
    `resolve_dtype`; weights stored in another type are cast. Weights are read from safetensors
    only, since a pickle may run any code, and code in a model's folder is never run.

    Raises:
        InputError: there is no such model, its folder is incomplete, or its tokenizer cannot be
        used.

    Example:
        >>> load("./no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        mathtune.errors.InputError: model './no/such/folder': no such file or folder; expected ...
    """
    where = torch.device(resolve_device(device))
    options: dict[str, Any] = {"dtype": resolve_dtype(dtype, where)}
    source, more = model_names.source(name)
    if bits is not None and (more or _declared(folder_tokenizer.place(source))):
        kind = "a GGUF file" if more else "whose weights are quantised already"
        raise InputError(
            f"lora.bits: found {bits} with the model {name!r}, {kind}; expected "
            f"{'a checkpoint of safetensors' if more else 'lora without bits'}."
        )
    logging.disable_progress_bar()
    _show_visibly()
    part = ""
    try:
        file = GgufFile(Path(source) / more["gguf_file"]) if more else None
        if file is None:
            part = "config.json: "
            AutoConfig.from_pretrained(source, trust_remote_code=False)
        part = "its tokenizer: "
        tokenizer = _tokenizer(source, file)
        part = ""
        if file is not None:
            model, missing = gguf_weights.load(file, file.config(), options["dtype"]), None
        else:
            if bits is not None:
                options |= {
                    "quantization_config": _in_bits(bits, options["dtype"]),
                    "device_map": where,
                }
            model, report = _pretrained(source, **options, **generation_settings.instead(source))
            missing = sorted(report["missing_keys"])
        if not quantised(model):
            model = model.to(where)
            if options["dtype"] == torch.float32:  # what was dequantised may have come in bfloat16
                model = model.float()
    except InputError:
        raise
    except Exception as error:  # a false file may raise anything
        blamed = None if part or more else config_faults.named(source, error)
        reason = blamed or part + _said(error)
        raise InputError(
            f"model {name!r}: cannot be loaded ({reason}); {_instead(source, more)}."
        ) from error
    _refuse_unusable(name, model, missing)
    _return_only_logits(model)
    if file is not None:
        refuse_other_scale(name, model.config.get_text_config())
    else:
        _refuse_undeclared(name, folder_tokenizer.place(source))
    if getattr(model.config.get_text_config(), "attn_logit_softcapping", None) is not None:
        model.set_attn_implementation("eager")  # sdpa ignores the cap without a warning
    return model.eval(), tokenizer


def _pretrained(source: str, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Load a model and what was found of its weights; with plain attention if its config asks for
    a kernel that is not installed, such as flash attention.
    """
    # Without trust_remote_code, transformers would ask on a terminal.
    safe = {"trust_remote_code": False, "use_safetensors": True, "output_loading_info": True}
    load = partial(AutoModelForCausalLM.from_pretrained, source, **safe, **options)
    try:
        return load()
    except ImportError as error:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        config._attn_implementation = "eager"
        found = load(config=config)
        say_once(f"kernel {source}", f"  plain attention instead of the config's ({_said(error)})")
        return found


def _instead(source: str, more: dict[str, Any]) -> str:
    """Return what is expected instead of a model that cannot be loaded."""
    declared = None if more else _declared(folder_tokenizer.place(source))
    if not declared:
        return model_names.EXPECTED
    method = declared.get("quant_method") if isinstance(declared, dict) else declared
    package = LIBRARIES.get(str(method))
    library = "the library that reads them" + (f" (pip install {package})" if package else "")
    return (
        f"its weights are quantised ({str(method)[:40]}): expected {library}, or the same model in "
        "full weights or as a .gguf file"
    )


def _return_only_logits(model: PreTrainedModel) -> None:
    """Let a model return what we read, in the form that we read, whatever its config says."""
    for config in (model.config, model.config.get_text_config()):
        config.return_dict = True
        config.output_attentions = config.output_hidden_states = False


def _declared(folder: Path) -> Any:
    """Return what a folder's config.json says about quantised weights."""
    config = folder / "config.json"
    return jsonl.read_json(config).get("quantization_config") if config.exists() else None


def refuse_other_scale(name: str, config: Any) -> None:
    """Raise InputError for a .gguf of Gemma 2 or 3 with 27 B parameters: their queries have a scale
    of their own, which the file does not hold and the library does not know.
    """
    if (config.model_type, config.num_hidden_layers) in (("gemma2", 46), ("gemma3_text", 62)):
        raise InputError(
            f"model {name!r}: a .gguf of this size of Gemma does not hold the scale of its "
            "attention, so its values would be wrong; expected the model as a folder of "
            "safetensors."
        )


def _refuse_undeclared(name: str, folder: Path) -> None:
    """Raise InputError for weights in few bits that config.json does not declare: the library
    would take their integers for the weights.
    """
    if _declared(folder):
        return
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            for key in stored.keys():  # noqa: SIM118 (not a dict)
                kind = stored.get_slice(key).get_dtype()
                if key.endswith("weight") and kind not in FULL:
                    raise InputError(
                        f"model {name!r}: {key} is stored as {kind}, but config.json has no "
                        "quantization_config that says how to read it; expected the same model in "
                        "full weights or as a .gguf file."
                    )


def _refuse_unusable(name: str, model: PreTrainedModel, missing: list[str] | None) -> None:
    """Raise InputError for an encoder, for unknown forms of weights, and for missing weights."""
    if model.config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not _decodes(model.config):
        raise InputError(
            f"model {name!r}: reads in both directions ({type(model).__name__}), so it cannot "
            "write; expected a causal language model."
        )
    if missing is None:
        return
    declared = getattr(model.config, "quantization_config", None)
    if declared and not quantised(model):
        raise InputError(
            f"model {name!r}: its weights are quantised in a way that transformers does not know "
            f"({str(declared)[:200]}); expected the same model in full weights or as a .gguf file."
        )
    if missing:
        raise InputError(
            f"model {name!r}: incomplete, {len(missing)} weights are not in its files, first "
            f"{missing[0]}; {model_names.EXPECTED}."
        )


def _decodes(config: Any) -> bool:
    """Return whether a config that encoders share is a decoder's."""
    return bool(getattr(config, "is_decoder", False) or getattr(config, "causal", False))


def _in_bits(bits: Literal[4, 8], dtype: torch.dtype) -> Any:
    """Return the settings of bitsandbytes: 4 bits as in QLoRA, or 8."""
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load only the tokenizer of the model called `name`.

    Raises:
        InputError: as `load`.
    """
    source, more = model_names.source(name)
    try:
        return _tokenizer(source, GgufFile(Path(source) / more["gguf_file"]) if more else None)
    except InputError:
        raise
    except Exception as error:  # a false file may raise anything
        reason = _said(error)
        raise InputError(
            f"model {name!r}: has no usable tokenizer ({reason}); {model_names.EXPECTED}."
        ) from error


def _tokenizer(source: str, file: GgufFile | None) -> PreTrainedTokenizerBase:
    """Load the tokenizer without its warning about long texts: we report these ourselves."""
    tokenizer = folder_tokenizer.load(source) if file is None else gguf_tokenizer.load(file)
    refuse_growth(tokenizer)
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def resolve_device(device: str) -> str:
    """Return the device that `auto` means: cuda, else mps, else cpu.

    Raises:
        InputError: the device is unknown or not on this machine.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator.type if accelerator is not None else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError(f"device {device!r}: unknown; expected auto, cpu, cuda or mps.") from None
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if kind != "cpu" and (accelerator is None or accelerator.type != kind):
        raise InputError(f"device {device!r}: not available on this machine; use auto or cpu.")
    return device


def resolve_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the type that `auto` means: bfloat16 on CUDA, float32 elsewhere.

    CPUs without bfloat16 instructions emulate them, some 190 times slower than float32.

    Example:
        >>> resolve_dtype("auto", torch.device("cpu"))
        torch.float32
    """
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return _DTYPES[dtype]


def context_length(model: PreTrainedModel) -> int | None:
    """Return the most tokens that the model can read at once; None: its config names no limit."""
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return most if most and most > 0 else None  # XLNet says -1


def steady_length(model: PreTrainedModel) -> int | None:
    """Return the most tokens of a row up to which rotary frequencies do not depend on its length;
    None: they never do.

    With longrope (Phi-3, Phi-4-mini), a longer row has other frequencies for all of its tokens, so
    that it must be read by itself.
    """
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [one for one in (rope, *rope.values()) if isinstance(one, dict)]  # or one per layer
    limits = [
        one["original_max_position_embeddings"]
        for one in kinds
        if one.get("rope_type") == "longrope"
    ]
    steady = min(limits, default=None)
    context = context_length(model)
    return None if steady is None or (context and context <= steady) else steady


def refuse_unknown(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Iterable[Sequence[int]]
) -> None:
    """Raise InputError if a row has a token that the model has no embedding for."""
    there = model.get_input_embeddings().num_embeddings
    highest = max((max(row) for row in rows if len(row)), default=0)
    if highest >= there:
        raise InputError(
            f"{model.name_or_path}: the tokenizer makes token {highest} "
            f"({tokenizer.convert_ids_to_tokens(int(highest))!r}), but the model knows only "
            f"{there} tokens; expected a tokenizer of the same model."
        )


def quantised(model: PreTrainedModel) -> bool:
    """Return whether the model's weights are stored in few bits."""
    return getattr(model, "hf_quantizer", None) is not None


def end_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    form: prompts.AnyForm = "plain",
) -> list[int]:
    """Return the ids that end a solution: the tokenizer's end token, the generation config's, and
    in chat form the one that ends an assistant's turn.

    Raises:
        InputError: there is none, so no sample could ever end; or it would end with its thoughts.
    """
    more = model.generation_config.eos_token_id if model.generation_config else None
    found = {tokenizer.eos_token_id, *(more if isinstance(more, list) else [more])} - {None}
    if prompts.resolve(form, tokenizer) == "chat":
        prompts.refuse_shared_end(tokenizer, form=form)
        found.add(prompts.end_token(tokenizer, form=form))
    if not found:
        raise InputError(
            f"model {model.name_or_path!r}: its tokenizer has no end token, so no sample could "
            "end; expected an eos_token in tokenizer_config.json."
        )
    return sorted(found)


def _show_visibly() -> None:
    """Let the library's warnings, which quote a model's files, show no control sequences."""
    for handler in getLogger("transformers").handlers:
        if _visible not in handler.filters:
            handler.addFilter(_visible)


def _visible(record: LogRecord) -> bool:
    """Rewrite a warning without its colours and what cannot be seen."""
    record.msg, record.args = visible(_COLOUR.sub("", record.getMessage())), None
    return True


def _said(error: Exception) -> str:
    """Return the error's message as one short line; it may be pages long."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs {error.name}, which is not installed: pip install {error.name}"
    if "ignore_mismatched_sizes" in reason:
        return "a weight has another shape than config.json says"
    if "Unrecognized configuration class" in reason:
        return "it does not write from left to right: no causal language model"
    if "custom code" in reason or "trust_remote_code" in reason:
        return "it needs code of its own, which is never run"
    return reason if len(reason) <= 400 else f"{reason[:400]}…"
