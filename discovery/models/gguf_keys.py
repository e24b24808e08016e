"""The keys of a GGUF file that describe its model, struck off as they are read.

The library maps some of them to its configuration and passes over the rest in silence, so that a
file with scaled rotary angles or a window is computed without. Here every key either is read or
refuses the file by its name.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Never

from discovery.models.gguf_header import Header
from graph_schema.errors import ModelError

ELSEWHERE = ("general.", "tokenizer.", "quantize.", "imatrix.", "split.")
"""Keys that say nothing about the arithmetic; `split.count` and `general.type` are looked at."""

OFF: dict[str, Collection[Any]] = {
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.shared_kv_layers": (0,),
    "attn_logit_softcapping": (0,),
    "final_logit_softcapping": (0,),
    "embedding_scale": (0, 1),
    "residual_scale": (0, 1),
    "logit_scale": (0, 1),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "expert_shared_count": (0,),
    "leading_dense_block_count": (0,),
    "nextn_predict_layers": (0,),
    "pooling_type": (0,),
    "use_parallel_residual": (False,),
    "rope.scaling.alpha": (0, 1),
    "rope.scaling.attn_factor": (0, 1),
    "rope.scaling.yarn_attn_factor": (1,),
    "rope.scaling.yarn_ext_factor": (1,),
    "rope.scaling.yarn_log_multiplier": (0,),
    "tensor_data_layout": ("Meta AI original pth",),
}
"""Values with which a key that nobody here reads changes nothing."""

INFORMATIVE = ("rope.scaling.finetuned",)


class Keys:
    """What is left to read of a file's keys, without the architecture before each."""

    def __init__(self, header: Header) -> None:
        """Take the architecture's own keys.

        Raises:
            ModelError: The file is no whole model, or has keys of another kind.
        """
        self.header = header
        self._prefix = f"{header.architecture}."
        self._left: dict[str, Any] = {}
        for key, value in header.values.items():
            if key.startswith(self._prefix):
                self._left[key.removeprefix(self._prefix)] = value
            elif not key.startswith(ELSEWHERE):
                self._refused(key, value, "no model of this kind is read")
        self._whole()

    def _whole(self) -> None:
        values = self.header.values
        if (kind := values.get("general.type", "model")) != "model":
            self._refused("general.type", kind, "expected 'model': merge an adapter first")
        if (count := values.get("split.count", 0)) > 1:
            self._refused("split.count", count, "join its parts (llama-gguf-split --merge)")

    def take(self, key: str, default: Any = None) -> Any:
        """A key's value, now read; `default` where the file has not got it."""
        return self._left.pop(key, default)

    def positive(self, key: str, default: int | float) -> Any:
        """A key's value, now read, which is a finite number above 0; `default` where it is missing.

        Raises:
            ModelError: It is another.
        """
        found = self.take(key)
        if found is None:
            return default
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or not math.isfinite(found) or found <= 0:
            self.refuse(key, found, "expected a finite number above 0")
        return found

    def expect(self, key: str, wanted: Any, why: str) -> None:
        """Read a key that has one right value, if it is there.

        Raises:
            ModelError: It has another.
        """
        if (found := self.take(key, wanted)) != wanted:
            self.refuse(key, found, f"{why}, which would be {wanted}")

    def refuse(self, key: str, value: Any, why: str) -> Never:
        """Refuse the file for one key."""
        self._refused(self._prefix + key, value, why)

    def _refused(self, key: str, value: Any, why: str) -> Never:
        raise ModelError(
            f"{self.header.path.name}: key {key!r} is {value!s}; {why}. Use the model that the "
            "file was made from"
        )

    def finish(self) -> None:
        """Refuse what was not read.

        Raises:
            ModelError: A key is left that changes the arithmetic, or may.
        """
        for key, value in self._left.items():
            if key in INFORMATIVE or value in OFF.get(key, ()):
                continue
            self.refuse(
                key, value, "it is not read for this family, and may change what is computed"
            )
