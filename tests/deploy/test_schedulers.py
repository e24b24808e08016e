"""Workers under Kubernetes and Slurm: what can be checked of their files without either."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from graph_schema.store.servers.java import JavaServer
from tests.deploy.containers import DEPLOY, SERVICES, USERS
from workers.settings import PREFIX, Settings

MANIFEST = DEPLOY / "kubernetes" / "worker.yaml"
BATCH = DEPLOY / "slurm" / "worker.sbatch"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
(DEPLOYMENT,) = (each["spec"] for each in DOCUMENTS if each["kind"] == "Deployment")
POD: dict[str, Any] = DEPLOYMENT["template"]["spec"]
(CONTAINER,) = POD["containers"]
ENVIRONMENT: dict[str, str] = {each["name"]: each["value"] for each in CONTAINER["env"]}
CIRCUITS = "from workers.cli import main; main()"


def test_a_pod_has_the_settings_of_a_container_of_compose() -> None:
    compose = SERVICES["worker"]["environment"]
    scraped = {name for name in ENVIRONMENT if name.startswith("CIRCUITS_METRICS_")}
    assert ENVIRONMENT.keys() - scraped == compose.keys()  # where nobody scrapes
    for name in ("CIRCUITS_GRAPH_USER", "CIRCUITS_ARTIFACTS", "CIRCUITS_MODEL_ROOTS", "HF_HOME"):
        assert ENVIRONMENT[name] == compose[name]
    ours = {name for name in ENVIRONMENT if name.startswith(PREFIX)}
    fields = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    assert {name for name in ours if name not in fields} == {
        "CIRCUITS_BROKER_FILE",
        "CIRCUITS_GRAPH_PASSWORD_FILE",
    }


def test_a_pod_serves_metrics_where_it_says_that_it_does() -> None:
    names = ("metrics_port", "metrics_address")
    said = {name: ENVIRONMENT[f"{PREFIX}{name}".upper()] for name in names}
    settings = Settings.model_validate(said)
    (port,) = CONTAINER["ports"]
    told = DEPLOYMENT["template"]["metadata"]["annotations"]
    assert told["prometheus.io/scrape"] == "true"
    assert int(told["prometheus.io/port"]) == port["containerPort"] == settings.metrics_port
    assert settings.metrics_address == "0.0.0.0"


def test_what_a_pod_mounts_is_there_and_is_all_that_it_is_told_of() -> None:
    volumes = {each["name"]: each for each in POD["volumes"]}
    places = {each["mountPath"]: volumes[each["name"]] for each in CONTAINER["volumeMounts"]}
    assert len(places) == len(volumes)
    claims = {each["metadata"]["name"] for each in DOCUMENTS if "Claim" in each["kind"]}
    asked = [each.get("persistentVolumeClaim") for each in volumes.values()]
    assert {each["claimName"] for each in asked if each} == claims
    made = dict(re.findall(r"--from-file=(\w+)=deploy/secrets/(\S+)", MANIFEST.read_text()))
    told = [value for value in ENVIRONMENT.values() if value.startswith("/run/secrets/")]
    assert sorted(told) == sorted(f"/run/secrets/circuits/{key}" for key in made)
    assert volumes["secrets"]["secret"]["secretName"] == "circuits"
    makes = (DEPLOY / "make-secrets.sh").read_text()
    assert [file for file in made.values() if file not in makes] == []


def test_a_pod_is_the_images_user_with_a_gpu_and_time_to_stop() -> None:
    who = POD["securityContext"]
    assert who["runAsNonRoot"]
    assert {who["runAsUser"], who["runAsGroup"], who["fsGroup"]} == {USERS["worker"]}
    # The secrets' group may read them, nobody may write.
    (secrets,) = (each["secret"] for each in POD["volumes"] if "secret" in each)
    assert secrets["defaultMode"] == 0o440
    assert CONTAINER["resources"]["limits"]["nvidia.com/gpu"] == "1"
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert POD["terminationGracePeriodSeconds"] >= grace
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    assert DEPLOYMENT["selector"]["matchLabels"] == labels


def test_a_probe_says_whether_the_graph_answers(arcadedb: JavaServer, tmp_path: Path) -> None:
    probes = [CONTAINER[name]["exec"]["command"] for name in ("startupProbe", "readinessProbe")]
    (command,) = {tuple(each) for each in probes}
    assert command[0] == "circuits"

    def probed(graph: str) -> int:
        env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        env |= {"CIRCUITS_HOME": str(tmp_path), "CIRCUITS_GRAPH": graph}
        env |= {"CIRCUITS_GRAPH_USER": arcadedb.address.user, "PYTHONPATH": str(DEPLOY.parent)}
        env["CIRCUITS_GRAPH_PASSWORD"] = arcadedb.address.password
        words = [sys.executable, "-c", CIRCUITS, *command[1:]]
        return subprocess.run(words, env=env, check=False, capture_output=True).returncode

    assert probed(arcadedb.address.uri) == 0
    assert probed("bolt://127.0.0.1:9") != 0


def test_slurm_reads_every_option_of_the_batch_script() -> None:
    lines = BATCH.read_text().splitlines()
    said = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    commands = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    assert said[-1] < commands[0]  # Slurm looks no further than to the first command
    parted = [lines[n].removeprefix("#SBATCH --").partition("=") for n in said]
    options = {name: value for name, _, value in parted}
    assert options["gres"] == "gpu:1"
    # To the step, which is the worker, and soon enough for it to give its job back.
    signal, seconds = options["signal"].split("@")
    assert (signal, int(seconds) >= POD["terminationGracePeriodSeconds"]) == ("TERM", True)
    assert "requeue" in options


def test_the_batch_script_runs_a_worker_with_the_settings_of_a_file(tmp_path: Path) -> None:
    """Outside Slurm; its artifact store cannot be written, so that it says so and ends."""
    program = tmp_path / "bin" / "circuits"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{CIRCUITS}" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "nodes").mkdir()
    (tmp_path / "settings").write_text(
        "export CIRCUITS_GRAPH=bolt://127.0.0.1:9 CIRCUITS_ARTIFACTS=/proc/of-this-test\n"
        f"export CIRCUITS_BROKER=filesystem://{tmp_path}/queue\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    env |= {"PATH": f"{program.parent}:{env['PATH']}", "TMPDIR": str(tmp_path / "nodes")}
    env |= {"PYTHONPATH": str(DEPLOY.parent)}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", str(BATCH)]
        return subprocess.run(words, env=env | more, check=False, capture_output=True, text=True)

    assert "CIRCUITS_SETTINGS: must name a file" in run().stderr
    worker = run(CIRCUITS_SETTINGS=str(tmp_path / "settings"))
    assert worker.returncode != 0
    assert "/proc/of-this-test" in worker.stderr
    assert list((tmp_path / "nodes").iterdir()) == []
