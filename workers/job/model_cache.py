"""The model that a worker keeps loaded from one job to the next."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from discovery.models.inspecting import InspectedModel
from discovery.models.load import LoadedModel, load_model
from graph_schema.documents.jobs import ModelSpec, Placement
from workers.settings import Settings


@dataclass
class ModelCache:
    """The one model a process keeps loaded, by name, fingerprint, dtype and device."""

    _key: tuple[str, ...] | None = None
    _model: LoadedModel | None = None

    def get(
        self,
        spec: ModelSpec,
        placement: Placement,
        settings: Settings,
        inspected: InspectedModel,
    ) -> LoadedModel:
        """The spec's model; loads it, after letting go of another, where it is not the kept one."""
        key = (placement.model.name, spec.model.fingerprint, spec.dtype, placement.device)
        if self._model is None or self._key != key:
            self._key = self._model = None
            gc.collect()
            self._model = load_model(
                placement.model,
                fingerprint=spec.model.fingerprint,
                dtype=spec.dtype,
                device=placement.device,
                limits=settings.limits,
                cache_dir=settings.cache_dir,
                inspected=inspected,
            )
            self._key = key
        return self._model
