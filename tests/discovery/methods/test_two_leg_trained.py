"""Edge scores between features of a trained model, against every edge patched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from discovery.dictionaries.checks import explained_variance, rows_at
from discovery.dictionaries.training import train_topk
from discovery.engine.experiment import Experiment
from discovery.engine.splice import Splice
from discovery.methods.candidates import choose
from discovery.methods.exact import exact
from discovery.methods.mask_gradients import attribution
from discovery.methods.node_scores import unit_scores
from discovery.methods.two_leg import two_leg
from discovery.models import load_model, zoo
from discovery.tasks import TASKS
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import AblationSpec, InductionTask, Metric
from graph_schema.documents.dictionary import Place, Site
from graph_schema.models.fingerprint import resolve_source

SITES = tuple(
    Site(reads=place, writes=place, layer=layer)
    for layer in range(2)
    for place in (Place.ATTN_OUT, Place.MLP_OUT)
)
N_EDGES = 2000


@pytest.mark.slow
def test_two_leg_scores_follow_exact_effects_between_features(zoo_cache: Path) -> None:
    """TopK SAEs, trained here, whose units compete: gates open and close."""
    source = resolve_source(str(zoo.ensure_demo_model(zoo_cache)))
    adapter = load_model(source, fingerprint=None).adapter
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(adapter.shape.d_vocab, (160, 24), generator=generator)
    batch = adapter.batch(torch.cat([tokens, tokens], 1))
    rows = rows_at(adapter, batch, SITES, n_tokens=7000)
    made = [train_topk(rows.read(site), site, width=128, k=8, steps=600) for site in SITES]
    for dictionary, site in zip(made, SITES, strict=True):
        x = rows.read(site)[:500]
        assert explained_variance(x, dictionary.decode(dictionary.encode(x), x)) > 0.6
    vocabulary = Vocabulary(adapter.shape.d_vocab, None)
    pairs = TASKS["induction"](InductionTask(), vocabulary, 12, 0).discovery
    whole = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    chosen = choose(unit_scores(whole, made, pairs).units, 40, per="layer")
    splices = [Splice(each, units) for each, units in zip(made, chosen, strict=True)]
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs, splices=splices)
    graph = experiment.graph
    # Edges between features: into the logits both legs are exact.
    senders, receivers = graph.edges
    reads = graph.directed[graph.writer[receivers]] & (receivers != graph.logits)
    among = np.flatnonzero(graph.directed[senders] & reads)
    drawn = np.random.default_rng(0).choice(among, N_EDGES, replace=False)
    only = graph.to_matrix(np.isin(np.arange(graph.n_edges), drawn))
    effects = exact(experiment, pairs, only=only)[drawn]
    found = {
        "two-leg": two_leg(experiment, pairs, only=only)[drawn],
        "attribution": attribution(experiment, pairs, only=only)[drawn],
    }
    correlations = {name: float(pearsonr(each, effects)[0]) for name, each in found.items()}
    # Measured .96 and .38.
    assert correlations["two-leg"] >= 0.95 > correlations["attribution"], correlations
