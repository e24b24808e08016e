"""What a feature is: where it is active, what it writes, what it is called.

Of a neuron or a dictionary's unit, told on the clean prompts of a circuit's own data.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.base import Document
from graph_schema.documents.model import Sha256


class TokenWeight(Document):
    """A token, and how far the unit's direction moves its logit for each unit of activation."""

    token: int
    text: str
    weight: float


class FeatureExample(Document):
    """One prompt on which the unit is active.

    Attributes:
        tokens: The prompt's tokens as text.
        activations: The unit's activation at each of them.
        position: Where it is largest.
    """

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    position: int


class DetectionScore(Document):
    """Balanced accuracy of telling unseen prompts on which the unit is active from others.

    `rule` says what tells them: `tokens`, those at which the shown examples peak; `activation`, the
    activation itself by a threshold set on the shown prompts; .5 is chance.
    """

    rule: Literal["tokens", "activation", "label"]
    value: Annotated[float, Field(ge=0, le=1)] | None
    n_active: int
    n_inactive: int
    reason: str | None = None


class FeatureDescription(Document):
    """What is known of one unit of one model.

    Attributes:
        name: The unit's: `m3.f1024`, `m3.n217`.
        dictionary_id: Of a dictionary's unit; None of a neuron.
        density: The share of tokens at which its activation is not 0 (of neurons, whose activations
            are seldom 0: at which |activation| is over a tenth of its largest).
        promotes: Tokens whose logits its direction raises most, suppresses: lowers most; by the
            unembedding, the final norm's scale left out.
        label: The dictionary's own, where its files hold one.
    """

    schema_version: Literal[1] = 1
    name: str
    dictionary_id: Sha256 | None = None
    dataset_sha256: Sha256 | None = None
    n_tokens: int
    density: float
    max_activation: float
    examples: tuple[FeatureExample, ...]
    promotes: tuple[TokenWeight, ...]
    suppresses: tuple[TokenWeight, ...]
    detection: tuple[DetectionScore, ...] = ()
    label: str | None = None
