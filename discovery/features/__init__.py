"""What a feature is: described from the prompts of a circuit's own data.

`watching` runs the model once and keeps every unit's activations, `examples` picks prompts and
counts, `promoting` follows directions to the logits, `detecting` scores how well that tells where a
unit is active; `describing` puts them together. `token_texts` are how tokens are written.
"""

from discovery.features.describing import Asked, describe, kept_units
from discovery.features.token_texts import TokenTexts

__all__ = ["Asked", "TokenTexts", "describe", "kept_units"]
