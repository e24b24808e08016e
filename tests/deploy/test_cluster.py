"""The cluster of `compose.yaml` comes up: its files, users, ports and names, without Docker.

What an image does before its program runs is done by the same steps; the programs are those of this
machine. All live in one network namespace, where `redis` and `neo4j` are names of 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from graph_schema.errors import ResourceError
from graph_schema.store.servers.neo4j import fetch_jars
from tests.deploy.containers import (
    DEPLOY,
    SERVICES,
    USERS,
    build_steps,
    container,
    instructions,
)
from tests.workers.tiny import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_neo4j,
    pytest.mark.needs_redis,
    pytest.mark.needs_containers,
]

# What neo4j's entrypoint does where it is root: it takes the mounted files over and adds what the
# image needs. (It sets the first password by a program that its jars lack; this is done below.)
NEO4J_STEPS = """
home=/var/lib/neo4j
mkdir -p $home/conf /data /logs
ln -s /data /logs $home
chown -R 7474:7474 $home /data /logs
if [ -d /conf ]; then find /conf -type f -exec cp --preserve=ownership,mode {} $home/conf \\;; fi
if [ -d /ssl ]; then ln -s /ssl $home/certificates; fi
while read -r setting; do
  grep -q "^${setting%%=*}=" $home/conf/neo4j.conf || echo "$setting" >>$home/conf/neo4j.conf
done <<DEFAULTS
server.memory.pagecache.size=512M
server.default_listen_address=0.0.0.0
DEFAULTS
"""
# Inside the network, on its localhost: the certificate is for that name too.
CLIENT = """
import sys
from pathlib import Path
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers import neo4j
from workers.broker import make_app, queue_depth
from workers.settings import Settings
secrets = Path(sys.argv[1])
_, password = (secrets / "neo4j_auth.txt").read_text().strip().split("/")
ca_file = secrets / "tls" / "ca.crt"
address = StoreAddress(
    "bolt+s://localhost:7687", password=password, ca_file=str(ca_file), reader_password="reads-only"
)
if sys.argv[2] == "set the password":
    neo4j._set_passwords(address)
else:
    with GraphStore(address) as store:
        assert store.rows("MATCH (s:Schema) RETURN count(s) AS n") == [{"n": 1}]
    url = (secrets / "client_broker_url.txt").read_text().strip()
    app = make_app(Settings(home=secrets.parent, graph=address.uri, broker=url, ca_file=ca_file))
    assert queue_depth(app) == 0
    app.close()
"""
WORKER = "from workers.cli import main; main()"
NAMES = 'echo 127.0.0.1 localhost redis neo4j "$(uname -n)" >/etc/hosts\n'


@dataclass
class Process:
    """A process and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, text: str) -> bool:
        said = self.log.read_text()
        assert self.process.poll() is None, said[-8000:]
        return text in said

    def end(self, seconds: float) -> int:
        """Ask it to end; the exit status, or an error where it takes longer."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()


@dataclass
class Host:
    """A network of its own; what runs in it ends with it."""

    namespace: int
    folder: Path
    stack: ExitStack

    def inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.namespace}/ns/net", *command]

    def start(
        self, name: str, command: Sequence[str], env: dict[str, str] | None = None
    ) -> Process:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.inside(command), env=env, stdout=output, stderr=subprocess.STDOUT
            )
        started = Process(process, log)
        self.stack.callback(started.end, 60.0)
        return started

    def healthy(self, service: str) -> bool:
        kind, *check = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        asked = subprocess.run(self.inside(check), check=False, capture_output=True)
        return asked.returncode == 0

    def client(self, secrets: Path, wish: str) -> None:
        command = [sys.executable, "-c", CLIENT, str(secrets), wish]
        subprocess.run(self.inside(command), check=True, timeout=300)


@contextmanager
def _host(folder: Path) -> Generator[Host]:
    with ExitStack() as stack:
        up = "ip link set lo up && echo up && exec sleep infinity"
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", up], stdout=subprocess.PIPE)
        stack.callback(holder.wait)
        stack.callback(holder.kill)
        assert holder.stdout is not None
        with holder.stdout:
            assert holder.stdout.readline() == b"up\n"
        yield Host(holder.pid, folder, stack)


def _neo4j() -> list[str]:
    """As the image's launcher starts it: Java's arguments are those of the configuration."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no java on the PATH")
    try:
        jars = fetch_jars()
    except ResourceError as error:
        pytest.skip(str(error))
    lines = (DEPLOY / "neo4j" / "neo4j.conf").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line)
    more = [line.split("=", 1)[1] for line in lines if line.startswith("server.jvm.additional=")]
    heap = [f"-Xms{given['server.memory.heap.initial_size']}"]
    heap += [f"-Xmx{given['server.memory.heap.max_size']}"]
    folders = ["--home-dir=/var/lib/neo4j", "--config-dir=/var/lib/neo4j/conf"]
    main = "org.neo4j.server.CommunityEntryPoint"
    return [java, *heap, *more, "-cp", f"{jars}/*", main, *folders]


def _open(*paths: Path | str) -> str:
    """A step that lets every user through to a path of root's; in the layer alone."""
    ways = {str(way) for path in paths for way in [Path(path), *Path(path).parents]}
    return shlex.join(["chmod", "o+rx", *sorted(ways)]) + "\n"


def test_the_cluster_comes_up_as_it_is_shipped(tmp_path: Path) -> None:
    secrets, repository = tmp_path / "secrets", DEPLOY.parent
    subprocess.run([str(DEPLOY / "make-secrets.sh"), str(secrets)], check=True)

    def contained(service: str, command: Sequence[str], steps: str = "") -> list[str]:
        layer = tmp_path / f"layer-{service}"
        layer.mkdir()
        steps = NAMES + steps
        return container(service, secrets, layer, command, user=USERS[service], steps=steps)

    with _host(tmp_path) as host:
        redis = host.start("redis", contained("redis", SERVICES["redis"]["command"]))
        server = _neo4j()
        steps = NEO4J_STEPS + _open(fetch_jars())
        neo4j = host.start("neo4j", contained("neo4j", server, steps))
        until(lambda: neo4j.says("") and host.healthy("neo4j"))
        host.client(secrets, "set the password")

        environment = {
            **SERVICES["worker"]["environment"],
            "HOME": "/home/circuits",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(repository),
        }
        python = [sys.executable, "-c", WORKER]
        (command,) = (json.loads(rest) for word, rest in instructions() if word == "CMD")
        assert command[0] == "circuits"
        steps = build_steps() + _open(sys.prefix, sys.base_prefix, repository)
        worker = host.start(
            "worker", contained("worker", [*python, *command[1:]], steps), environment
        )
        until(lambda: worker.says("ready."))
        assert worker.says("graph bolt+s://neo4j:7687")
        host.client(secrets, "look")
        assert redis.says("Ready to accept connections")
        assert worker.end(float(SERVICES["worker"]["stop_grace_period"].rstrip("s"))) == 0
        assert neo4j.end(float(SERVICES["neo4j"]["stop_grace_period"].rstrip("s"))) == 0
