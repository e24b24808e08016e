"""Numbers of senders and receivers say what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from discovery.engine.sites import Sites
from graph_schema.documents import Component
from graph_schema.models.layout import Layout


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("split_embed", [False, True])
def test_a_number_stands_for_the_component_of_that_name(parallel: bool, split_embed: bool) -> None:
    sites, layout = Sites(3, 2, parallel, split_embed), Layout(3, 2, parallel, split_embed)
    assert (sites.n_senders, sites.n_receivers) == (len(layout.senders), len(layout.receivers))
    for number, name in enumerate(layout.senders):
        layer = Component.parse(name).layer
        assert sites.sender_layers[number] == (-1 if layer is None else layer)
    for number, (name, channel) in enumerate(layout.receivers):
        component = Component.parse(name)
        layer = sites.n_layers if component.layer is None else component.layer
        assert sites.layer(number) == layer
        head = sites.attention_part(number)
        assert head == (None if component.head is None else (channel, component.head))
        if head is not None:
            assert number == sites.head_receivers(layer, channel).start + head[1]
        writer = sites.writer[number]
        assert (layout.senders[writer] if writer >= 0 else "logits") == name
        assert sites.n_upstream[number] == layout.n_read(name)
    assert np.array_equal(np.unique(sites.receiver_layers), np.arange(4))
