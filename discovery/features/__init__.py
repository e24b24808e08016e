"""What a feature is: described from the prompts of a circuit's own data.

`watching` runs the model once and keeps every unit's activations, `examples` picks prompts and
counts, `promoting` follows directions to the logits, `detecting` scores how well that tells where a
unit is active; `describing` puts them together, `of_circuits` asks for those of circuits.
`token_texts` are how tokens are written.
"""

from discovery.features.describing import Asked, describe, kept_units
from discovery.features.of_circuits import describe_units
from discovery.features.token_texts import TokenTexts

__all__ = ["Asked", "TokenTexts", "describe", "describe_units", "kept_units"]
