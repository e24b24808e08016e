"""Which adapter reads which `model_type`. A new family is one line here and one in the tests."""

from __future__ import annotations

import re
from typing import Any

from discovery.models.decoder import DecoderAdapter
from discovery.models.gemma import Gemma2Adapter, Gemma3Adapter
from discovery.models.gpt2 import GPT2Adapter
from discovery.models.llama import LlamaAdapter, MistralAdapter
from discovery.models.neox import NeoXAdapter
from discovery.models.olmo2 import Olmo2Adapter
from discovery.models.phi3 import Phi3Adapter
from discovery.models.smeared import SmearedAdapter, register
from graph_schema.errors import ModelError
from graph_schema.printable import quoted

FAMILIES: dict[str, type[DecoderAdapter]] = {
    "gemma2": Gemma2Adapter,
    "gemma3_text": Gemma3Adapter,
    "gpt2": GPT2Adapter,
    "gpt_neox": NeoXAdapter,
    "llama": LlamaAdapter,
    "mistral": MistralAdapter,
    "olmo2": Olmo2Adapter,
    "phi3": Phi3Adapter,
    "qwen2": LlamaAdapter,
    "qwen3": LlamaAdapter,
    "smeared": SmearedAdapter,
}

register()  # the one family that transformers does not have


def settle_attention(config: Any, name: str) -> None:
    """Have a model that is made of this configuration attend by the code that its adapter wants.

    transformers would take what the model's own file asks for, and fetch and run it where that is a
    place on the hub.

    Raises:
        ModelError: It asks for such a place.
    """
    asked = getattr(config, "_attn_implementation", None)
    if asked is not None and not re.fullmatch(r"\w+", str(asked)):
        raise ModelError(
            f"model {name!r} asks for attention code from {quoted(asked)}, and only code of this "
            "installation is run: take attn_implementation out of its config.json"
        )
    config._attn_implementation = adapter_class(config).attention_implementation


def adapter_class(config: Any) -> type[DecoderAdapter]:
    """The adapter for a configuration.

    Raises:
        ModelError: No family here reads it; the message names the class and the page on adding one.
    """
    found = FAMILIES.get(config.model_type)
    if found is None:
        named = getattr(config, "architectures", None) or [type(config).__name__]
        raise ModelError(
            f"no adapter for {named[0]} (model_type {config.model_type!r}); expected one of "
            f"{', '.join(FAMILIES)}. docs/add-a-model-family.md says how to write one"
        )
    return found
