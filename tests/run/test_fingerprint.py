"""Checksums of model folders: a byte that flipped is named, wherever the folder is used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mathtune.engines.model_names import Model
from mathtune.errors import InputError
from mathtune.run.fingerprint import SUMS, content_hash, write_sums


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    content = bytes(range(256)) * 64
    head = b'{"w": {"dtype": "U8", "shape": [16384], "data_offsets": [0, 16384]}}'
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + content)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_a_flipped_bit_is_named(model: Path) -> None:
    without = content_hash(model)
    write_sums(model)
    assert content_hash(model) == without  # folders of earlier versions have none
    Model().check(model)
    content = bytearray((model / "model.safetensors").read_bytes())
    content[777] ^= 4
    (model / "model.safetensors").write_bytes(content)
    for use in (content_hash, Model().check):
        with pytest.raises(InputError, match=r"model\.safetensors: differs from its checksum in"):
            use(model)
    (model / SUMS).unlink()
    assert content_hash(model) != without


def test_a_missing_file_is_named(model: Path) -> None:
    write_sums(model)
    (model / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: differs from its checksum"):
        content_hash(model)


def test_other_programs_can_check(model: Path) -> None:
    write_sums(model)
    done = subprocess.run(["sha256sum", "--check", SUMS], cwd=model, capture_output=True)
    assert done.returncode == 0
    assert done.stdout.count(b": OK") == 3
