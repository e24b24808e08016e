"""Models as block functions: one adapter a family, and the loader."""

from discovery.models.base import Batch, ModelAdapter, Qkv, Reader, Shape, Sublayer
from discovery.models.compiled import CompiledAdapter
from discovery.models.decoder import DecoderAdapter
from discovery.models.families import FAMILIES, adapter_class
from discovery.models.gemma import Gemma2Adapter, Gemma3Adapter
from discovery.models.gpt2 import GPT2Adapter
from discovery.models.inspecting import InspectedModel, inspect_model, weight_bytes
from discovery.models.llama import LlamaAdapter, MistralAdapter
from discovery.models.load import LoadedModel, load_model
from discovery.models.mlp import MlpWeights
from discovery.models.neox import NeoXAdapter
from discovery.models.norms import Norm, Slope
from discovery.models.olmo2 import Olmo2Adapter
from discovery.models.phi3 import Phi3Adapter
from discovery.models.projection import Apart, HeadWeights

__all__ = [
    "FAMILIES",
    "Apart",
    "Batch",
    "CompiledAdapter",
    "DecoderAdapter",
    "GPT2Adapter",
    "Gemma2Adapter",
    "Gemma3Adapter",
    "HeadWeights",
    "InspectedModel",
    "LlamaAdapter",
    "LoadedModel",
    "MistralAdapter",
    "MlpWeights",
    "ModelAdapter",
    "NeoXAdapter",
    "Norm",
    "Olmo2Adapter",
    "Phi3Adapter",
    "Qkv",
    "Reader",
    "Shape",
    "Slope",
    "Sublayer",
    "adapter_class",
    "inspect_model",
    "load_model",
    "weight_bytes",
]
