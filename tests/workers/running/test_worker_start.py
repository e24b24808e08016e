"""What a worker sees to before it takes a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.errors import ResourceError
from workers.running.worker import main, run_worker
from workers.settings import Settings


def test_a_worker_that_could_store_nothing_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "artifacts")
    settings = Settings(home=tmp_path, graph="bolt://127.0.0.1:1", artifacts=place)
    with pytest.raises(ResourceError, match="CIRCUITS_ARTIFACTS"):
        run_worker(settings)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    assert f"cannot be written to {place}: Not a directory" in capsys.readouterr().err
