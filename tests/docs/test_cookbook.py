"""Every recipe of the cookbook runs, in the order of its page, on real models and a service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "cookbook.md"
CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]

RUNNER = """
import sys, traceback
recipes = {recipes!r}
names = {{}}
for title, code in recipes:
    print("##", title, flush=True)
    try:
        exec(compile(code, title, "exec"), names)
    except BaseException:
        traceback.print_exc()
        sys.exit(title)
names["client"].close()
"""


def recipes() -> list[tuple[str, str]]:
    """Title and code of each recipe; the first, which makes the client, has the page's title."""
    parts = re.split(r"^#{1,2} (.*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    found: list[tuple[str, str]] = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        found.append((title, code))
    return found


def test_every_recipe_runs_and_prints_what_it_promises(tmp_path: Path, zoo_cache: Path) -> None:
    from discovery.models.zoo import ensure_model

    for family in ("gpt2", "llama"):
        ensure_model(zoo_cache, family)
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / "cache" / "zoo").symlink_to(zoo_cache / "zoo")
    kept = {name: value for name, value in os.environ.items() if "CIRCUITS_" not in name}
    kept["CIRCUITS_CONFIG"] = os.devnull  # none of whoever runs this
    environment = {**kept, "CIRCUITS_HOME": str(home)}
    try:
        ran = subprocess.run(
            [sys.executable, "-c", RUNNER.format(recipes=recipes())],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=550,
        )
    finally:
        subprocess.run([*CIRCUITS, "down"], env=environment, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    parted = [part.partition("\n") for part in ran.stdout.split("## ")[1:]]
    said = {title: text for title, _, text in parted}
    assert list(said) == [title for title, _ in recipes()]
    silent = [title for title, code in recipes() if "print(" in code and not said[title].strip()]
    assert silent == [], "a recipe shows its answer"
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
