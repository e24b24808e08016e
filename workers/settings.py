"""Settings: the one reader of the environment.

Every field is `CIRCUITS_<NAME>`; limits are `CIRCUITS_LIMITS__<NAME>`. A secret `X` may also be the
name of a file, `CIRCUITS_X_FILE`. What neither arguments nor environment say, a file of the user's
may (`workers.config_file`). Without `graph` everything is local, under `home`: two homes are
two worlds. `HF_TOKEN`, `HF_HOME` and their kin are read here too and handed on to the worker, where
huggingface_hub looks for them. A folder that is given relative means the same to every process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from graph_schema.documents import Limits
from graph_schema.documents.jobs import parse_offer
from graph_schema.errors import SpecError
from graph_schema.private_files import expanded
from workers.config_file import CONFIG, ConfigFile, chosen_file
from workers.environment import PREFIX, Environment
from workers.log_lines import LogFormat
from workers.secret_files import SecretFiles
from workers.setting_kinds import (
    AbsolutePath,
    Certificates,
    HubFlag,
    Place,
    Program,
    Seconds,
)

if TYPE_CHECKING:
    from graph_schema.store.connection import StoreAddress

LONGEST_DAYS = 100_000.0

# Folders that others read from the environment; a child has another working directory.
PLACES = (
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_XET_CACHE", "HF_ASSETS_CACHE"),
    *("HF_MODULES_CACHE", "HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH", "TRANSFORMERS_CACHE"),
    *("XDG_CACHE_HOME", "TORCH_HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


class Settings(BaseSettings):
    """Where things are, who may enter, and how long what may take."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
    )

    home: AbsolutePath = Path("~/.circuits")
    """Everything local lies here: store, queue, artifacts, caches, logs."""
    broker: SecretStr | None = None
    """`redis://…`, `rediss://…` or `filesystem:///FOLDER`; default: a folder under `home`."""
    graph: str | None = None
    """`bolt://…` or `neo4j://…`; default: the embedded server of `home`."""
    graph_user: str = "neo4j"
    graph_password: SecretStr | None = None
    graph_database: str = "neo4j"
    graph_reader_user: str | None = None
    """Who runs a user's Cypher; default: `graph_user`, in READ access mode."""
    graph_reader_password: SecretStr | None = None
    ca_file: Certificates | None = None
    """Certificates (PEM) that broker and graph are checked against; default: the system's."""
    artifacts: Place | None = None
    """An fsspec URL or a folder; default: `home`/artifacts."""
    limits: Limits = Limits()

    lease_seconds: Seconds = 30.0
    """How long a worker owns a job after its last sign of life; renewed every third of it."""
    max_attempts: Annotated[int, Field(ge=1, le=1_000_000)] = 3
    """How often workers may die on a job."""
    put_off_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3600.0
    """How long a job is tried again, at least so often, that meets errors which may pass."""
    reconcile_seconds: Seconds = 5.0
    resend_seconds: Seconds = 10.0
    """How long a job may wait in an empty queue before its message counts as lost.

    And the first pause of one that is put off; each next one is twice as long.
    """
    cancel_seconds: Seconds = 5.0
    """How long a running job may go on after it saw that it is cancelled."""
    idle_seconds: Seconds = 300.0
    """How long the local service outlives its last user and job."""
    worker_idle_seconds: Seconds = 120.0
    """How long its worker outlives the last job: the next one then finds torch loaded."""
    keep_failed_days: Annotated[float, Field(ge=0, le=LONGEST_DAYS)] | None = None
    """How long `circuits gc` leaves failed and cancelled jobs in the record; not set: for good."""
    keep_files_days: Annotated[float, Field(ge=1 / 24, le=LONGEST_DAYS)] = 1.0
    """How long it leaves files that nothing refers to: whoever writes one refers to it later."""

    log_format: LogFormat = LogFormat.TEXT
    """How worker and supervisor write their logs."""

    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where a worker serves figures for Prometheus; not set: nowhere."""
    metrics_address: str = "127.0.0.1"
    """On which of the machine's addresses; whoever reaches it reads them."""

    serves: str | None = None
    """Devices that a worker serves, with GiB of memory: `cpu:64,cuda`; default: all there is."""
    threads: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Torch threads in a worker; figures do not depend on the machine with one."""
    model_roots: tuple[AbsolutePath, ...] = ()
    """Folders that models may be read from; none named: any folder."""
    worker_python: Program = Path(sys.executable)
    """The interpreter that the local service starts its worker with."""
    owner: str = ""
    """By what name a worker owns jobs; told by its main process to its child, never by a user."""
    words: str = ""
    """Where its child tells what happens, likewise."""

    hf_token: SecretStr | None = Field(default=None, validation_alias="HF_TOKEN")
    hf_home: AbsolutePath | None = Field(default=None, validation_alias="HF_HOME")
    hf_hub_cache: AbsolutePath | None = Field(
        default=None, validation_alias=AliasChoices("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    )
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    xdg_cache_home: AbsolutePath | None = Field(default=None, validation_alias="XDG_CACHE_HOME")
    hf_offline: HubFlag = Field(
        default=False,
        validation_alias=AliasChoices("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
    )

    @field_validator("serves", mode="after")
    @classmethod
    def _names_devices(cls, value: str | None) -> str | None:
        if value is not None:
            parse_offer(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, *sources()

    @property
    def local(self) -> bool:
        """True where the graph is the embedded server of `home`."""
        return self.graph is None

    @property
    def broker_url(self) -> str:
        if self.broker is not None:
            return self.broker.get_secret_value()
        # A `#` or `%` in the folder's name would mean something else in a URL.
        return f"filesystem://{quote(str(self.home / 'broker'))}"

    @property
    def artifacts_url(self) -> str:
        return str(self.home / "artifacts") if self.artifacts is None else self.artifacts

    @property
    def storing_seconds(self) -> float:
        """For how long a job is owned while its result, or a part, is stored: it takes long."""
        return 10 * self.lease_seconds

    @property
    def cache_dir(self) -> Path:
        return self.home / "cache"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"

    def at(self, address: StoreAddress) -> Settings:
        """These settings with this graph named in them: what a worker of a local service gets."""
        return self.model_copy(
            update={
                "graph": address.uri,
                "graph_user": address.user,
                "graph_password": SecretStr(address.password),
                "graph_database": address.database,
                "graph_reader_user": address.reader_user,
                "graph_reader_password": SecretStr(address.reader_password or ""),
            }
        )

    def store_address(self) -> StoreAddress:
        """Where the graph is that these settings name.

        Raises:
            SpecError: None is named: the local service's address is found by `workers.local`.
        """
        from graph_schema.store.connection import StoreAddress

        if self.graph is None:
            raise SpecError(
                "no graph database is named; set CIRCUITS_GRAPH (bolt://…), or use the local "
                "service: circuits up"
            )
        reader = self.graph_reader_password
        return StoreAddress(
            uri=self.graph,
            user=self.graph_user,
            password=self.graph_password.get_secret_value() if self.graph_password else "",
            database=self.graph_database,
            reader_user=self.graph_reader_user,
            reader_password=reader.get_secret_value() if reader else None,
            ca_file=None if self.ca_file is None else str(self.ca_file),
        )

    def environment(self) -> dict[str, str]:
        """The whole environment of a child process that is to have these settings."""
        found = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        for name, value in self:
            if value is None or name.startswith(("hf_", "xdg_")) or name == "limits":
                continue
            if isinstance(value, tuple):
                found[f"{PREFIX}{name}".upper()] = json.dumps([str(path) for path in value])
            else:
                found[f"{PREFIX}{name}".upper()] = _plain(value)
        found["CIRCUITS_LIMITS"] = self.limits.model_dump_json()
        found[CONFIG] = os.devnull  # all that it said is said above
        for name in PLACES:
            if found.get(name):
                found[name] = str(expanded(found[name]).absolute())
        if self.hf_token is not None:
            found["HF_TOKEN"] = self.hf_token.get_secret_value()
        if self.hf_home is not None:
            found["HF_HOME"] = str(self.hf_home)
        if self.hf_offline:
            found["HF_HUB_OFFLINE"] = found["TRANSFORMERS_OFFLINE"] = "1"
        return found

    def export(self) -> None:
        """Make these settings this process's environment, for the children it spawns."""
        found = self.environment()
        for name in set(os.environ) - set(found):
            del os.environ[name]
        os.environ.update(found)


def sources() -> tuple[Environment, SecretFiles, ConfigFile]:
    """What says settings outside of this process, the one that counts first."""
    file = chosen_file(os.environ.get(CONFIG), os.environ.get("XDG_CONFIG_HOME"))
    return Environment(Settings), SecretFiles(Settings), ConfigFile(Settings, file)


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, with `given` in front; None means not given.

    Raises:
        SpecError: A value is not what its setting takes; the message names it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "__".join(str(part) for part in first["loc"])
        # One of the hub's has its own name, in capitals.
        variable = name if name.isupper() else f"{PREFIX}{name.upper().removeprefix(PREFIX)}"
        _, _, file = sources()
        said = f" or {name!r} in {str(file.path)!r}" if first["loc"][0] in file() else ""
        why = first["msg"]
        if first["type"] == "extra_forbidden":
            why = f"there is no such limit; expected one of: {', '.join(Limits.model_fields)}"
        raise SpecError(f"setting {variable}{said}: {why}") from None
