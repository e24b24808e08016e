"""Published circuits where the weights are on this machine: `circuits benchmark published`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from discovery.known.published import SETTINGS, Compared, Published, compare, read_published
from discovery.models import inspect_model, load_model
from discovery.tasks import build_dataset
from graph_schema.documents import EapIg, ModelId, ModelSource, TaskData, TopEdges
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import SpecError
from graph_schema.models.fingerprint import fingerprint, resolve_source
from graph_schema.private_files import expanded
from workers.requests.checking import unknown
from workers.settings import Settings

NOT_RUN = "not run: weights unavailable"


def compare_all(
    folder: Path, places: Mapping[str, str], pairs: int, settings: Settings
) -> list[dict[str, Any]]:
    """An object for each circuit of the folder: `circuit`, `task`, `status` and what was found.

    `places` are the folders of models, by the circuit's file name without its ending; the others
    are looked for in the hub's cache.

    Raises:
        SpecError: The folder has no circuit, or a place is none's; or the model does not fit.
    """
    for name in places:
        if name not in SETTINGS:
            raise SpecError(unknown("published circuit", name, SETTINGS))
    torch.set_num_threads(settings.threads)
    rows: list[dict[str, Any]] = []
    for published in read_published(folder):
        source = _source(published, places.get(published.name))
        about = {"circuit": published.name, "task": published.setting.task.name}
        if source is None:
            rows.append({**about, "status": NOT_RUN})
        else:
            found = _compare(published, source, pairs, settings)
            rows.append({**about, "status": "run", "model": source.name, **asdict(found)})
    return rows


def _source(published: Published, place: str | None) -> ModelSource | None:
    """The model's folder, or None where it is not on this machine."""
    if place is not None:
        return resolve_source(str(expanded(place).absolute()))
    if published.setting.hub is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(published.setting.hub, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return ModelSource(name=str(folder)) if any(folder.glob("*.safetensors")) else None


def _compare(published: Published, source: ModelSource, pairs: int, settings: Settings) -> Compared:
    known = fingerprint(source, settings.cache_dir)
    inspected = inspect_model(source)
    spec = DiscoverSpec(
        model=ModelId(fingerprint=known),
        data=TaskData(task=published.setting.task, pairs=pairs),
        method=EapIg(),
        selection=TopEdges(n_edges=1),
        metric=published.setting.metric,
    )
    made = build_dataset(
        spec,
        inspected.tokenizer,
        inspected.d_vocab,
        None,
        settings.limits,
        inspected.n_ctx,
        inspected.names,
    )
    model = load_model(source, fingerprint=known, inspected=inspected)
    return compare(published, model, made)
