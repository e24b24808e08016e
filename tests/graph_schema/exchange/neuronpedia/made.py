"""Graph files as each tool writes them, made here."""

from __future__ import annotations

import json
from typing import Any

Graph = dict[str, Any]


def cantor(layer: int, index: int) -> int:
    return (layer + index) * (layer + index + 1) // 2 + index


def node(own: str, feature: int | None, layer: Any, at: int, kind: str, **more: Any) -> Graph:
    return {
        "node_id": own,
        "feature": feature,
        "layer": layer,
        "ctx_idx": at,
        "feature_type": kind,
        "jsNodeId": f"{own}-0",
        "clerp": "",
        **more,
    }


def tracer_graph() -> Graph:
    """As circuit-tracer writes it: pairs for features, errors that look like layer 0's features."""
    nodes = [
        node("E_2_0", 0, "E", 0, "embedding", clerp='Emb: "<bos>"'),
        node("E_651_1", 1, "E", 1, "embedding", clerp='Emb: " capital"'),
        node("0_1_1", -1, "1", 1, "mlp reconstruction error", influence=0.9),
        node("0_1_0", cantor(0, 1), "0", 0, "cross layer transcoder", activation=3.5),
        node(
            "1_16380_1",
            cantor(1, 16380),
            "1",
            1,
            "cross layer transcoder",
            activation=12.25,
            influence=0.48267510533332825,
            clerp="capitals",
        ),
        node(
            "2_16380_1",
            cantor(2, 16380),
            "2",
            1,
            "cross layer transcoder",
            activation=2.0,
            influence=0.7,
        ),
        node("4_22605_1", 22605, "4", 1, "logit", token_prob=0.75, is_target_logit=True),
        node("4_9_1", 9, "4", 1, "logit", token_prob=0.125, is_target_logit=False),
    ]
    links = [
        ("E_2_0", "0_1_0", 1.5),
        ("0_1_0", "1_16380_1", -0.25),
        ("E_651_1", "1_16380_1", 2.0),
        ("1_16380_1", "2_16380_1", 0.75),
        ("0_1_1", "2_16380_1", 0.5),
        ("2_16380_1", "4_22605_1", 3.0),
        ("E_651_1", "4_22605_1", 0.125),
        ("2_16380_1", "4_9_1", -1.0),
    ]
    return {
        "metadata": {
            "slug": "made",
            "scan": "made-model",
            "transcoder_list": [],
            "prompt_tokens": ["<bos>", " capital"],
            "prompt": "<bos> capital",
            "node_threshold": 0.8,
            "schema_version": 1,
            "info": {"creator_name": "a test", "generator": {"name": "circuit-tracer"}},
        },
        "qParams": {
            "pinnedIds": ["1_16380_1", "4_22605_1"],
            "supernodes": [["say a capital", "1_16380_1", "2_16380_1"], ["gone", "9_9_9"]],
            "linkType": "both",
            "clickedId": "1_16380_1",
            "sg_pos": "",
        },
        "nodes": nodes,
        "links": [{"source": s, "target": t, "weight": w} for s, t, w in links],
    }


def lorsa_graph() -> Graph:
    """With features of attention, their errors, and biases, two of them on one component."""
    graph = tracer_graph()
    graph["nodes"] += [
        node("1_lor_7_1", cantor(1, 7), 1, 1, "lorsa", activation=1.0),
        node("1_error_attn_1", None, 1, 1, "lorsa error"),
        node("0_-1_1", -1, 0, 1, "mlp reconstruction error"),
        node("0_bias_tc_bD_1", None, 0, 1, "bias", clerp="L0 Bias (tc_bD)"),
        node("0_bias_mlp_bout_1", None, 0, 1, "bias", clerp="L0 Bias (mlp_bout)"),
        node("0_bias_attn_bO_1", None, 0, 1, "bias"),
        node("1_unknown_blocks_1_x_1", None, 1, 1, "unknown", clerp="blocks.1.x"),
        node("1_unknown_blocks_1_y_1", None, 1, 1, "unknown", clerp="blocks.1.y"),
    ]
    more = [
        ("0_bias_tc_bD_1", "1_lor_7_1", 0.5),
        ("0_bias_mlp_bout_1", "1_lor_7_1", -0.125),
        ("0_bias_mlp_bout_1", "2_16380_1", 0.25),
        ("0_bias_attn_bO_1", "2_16380_1", 0.1),
        ("0_-1_1", "1_lor_7_1", 1.25),
        ("1_lor_7_1", "2_16380_1", 0.75),
        ("1_error_attn_1", "2_16380_1", 0.2),
        ("1_unknown_blocks_1_x_1", "2_16380_1", 0.5),
        ("1_unknown_blocks_1_y_1", "2_16380_1", 0.25),
    ]
    graph["links"] += [{"source": s, "target": t, "weight": w} for s, t, w in more]
    lorsa = next(each for each in graph["nodes"] if each["feature_type"] == "lorsa")
    lorsa["qk_tracing_results"] = {
        "pair_wise_contributors": [["1_16380_1", "0_9_0", 0.5]],
        "top_q_marginal_contributors": [["1_16380_1", 0.5]],
        "top_k_marginal_contributors": [["0_9_0", 0.25]],
    }
    graph["qk_only_nodes"] = {
        "0_9_0": node("0_9_0", cantor(0, 9), 0, 0, "cross layer transcoder", activation=0.5)
    }
    return graph


def opaque_graph() -> Graph:
    """As the published graphs of Claude 3.5 Haiku: layers as text, numbers that say nothing."""
    graph = tracer_graph()
    del graph["metadata"]["schema_version"]
    for each in graph["nodes"]:
        if each["feature_type"] == "cross layer transcoder":
            own = 10**9 + int(each["activation"] * 4)
            each["feature"] = own
            each["jsNodeId"] = f"{each['layer']}_{own}_-0"
    pins = {each["node_id"]: each["jsNodeId"] for each in graph["nodes"]}
    params = graph["qParams"]
    params["pinnedIds"] = [pins[each] for each in params["pinnedIds"]]
    params["supernodes"] = [
        [label, *(pins.get(each, each) for each in members)]
        for label, *members in params["supernodes"]
    ]
    return graph


def data_of(graph: Graph) -> bytes:
    return json.dumps(graph).encode()
