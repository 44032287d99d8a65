"""What an operator sets: by a TOML file, by environment variables `FAIRMETER_…`, or not at all.

Every setting has a default that works beside a broker on the same machine; docs/settings.md lists them.
"""

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.problems import Problem, ProblemsFound
from gateway.ingest import Limits
from gateway.link import Connection, Protocol, Tls
from gateway.payloads import Layout, Mapped, Shape

DEFAULT_FILE = Path("fairmeter.toml")


class Part(BaseModel):
    """A table of settings; a key that is not one of them is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(Part):
    """Where the site's MQTT broker is, and who the gateway is to it."""

    host: str = Field("127.0.0.1", description="the broker's name or address")
    port: int = Field(1883, ge=1, le=65_535, description="its port; 8883 is usual with TLS")
    client_id: str = Field("fairmeter", min_length=1, description="fixed, so that the broker keeps what we miss")
    username: str | None = Field(None, description="if the broker asks for one")
    password_file: Path | None = Field(None, description="a file with the password, so that it stands in no settings")
    tls: bool = Field(False, description="encrypt the connection")
    ca_file: Path | None = Field(None, description="certificate authority; default: the system's")
    certificate_file: Path | None = Field(None, description="our own certificate, if the broker asks for one")
    key_file: Path | None = Field(None, description="its private key")
    protocol: Literal["3.1.1", "5"] = Field("3.1.1", description="MQTT version; 5 costs twice the processor time")
    keepalive_s: int = Field(60, ge=5, description="seconds of silence after which the broker is asked for a sign")


class MappedChannel(Part):
    """One channel in another maker's JSON."""

    path: str = Field(description="where its value stands, keys joined by dots")
    channel: str = Field(description="the channel of the contract that it is")
    factor: str = Field("1", description="a decimal the value is multiplied by")


class TopicSettings(Part):
    """Where devices publish, and the shape of what they publish if it is not ours."""

    telemetry: str = Field("telemetry/{device}", description="pattern of telemetry topics")
    status: str = Field("status/{device}", description="pattern of status topics")
    event: str = Field("event/{device}", description="pattern of event topics")
    channels: list[MappedChannel] = Field([], description="channels in JSON of another shape; empty: our own shape")
    time: str = Field("t", description="where the time stands in JSON of another shape")


class LimitSettings(Part):
    """What bounds memory; what does not fit stays with the broker."""

    payload_bytes: int = Field(512 * 1024, ge=1_024, description="larger payloads are kept as length, digest, start")
    batch_messages: int = Field(2_000, ge=1, description="most messages in one journal batch")


class InfluxSettings(Part):
    """An InfluxDB to write to; without an address there is none."""

    url: str | None = Field(None, pattern=r"^https?://", description="its address, such as http://127.0.0.1:8086")
    org: str = Field("-", min_length=1, description="its organization; `-` on 1.8")
    bucket: str = Field("fairmeter", pattern=r'^[^"\\]+$', description="the bucket; on 1.8 `database/policy`")
    token_file: Path | None = Field(None, description="a file with its token; on 1.8 the token is `user:password`")
    timeout_s: float = Field(30, gt=0, description="seconds after which an unanswered request has failed")
    statements_url: str | None = Field(None, description="where the folder `statements` can be read, for links")


class GrafanaSettings(Part):
    """The Grafana to which `fairmeter dashboards push` brings the dashboards, and which `fairmeter doctor` looks at."""

    url: str | None = Field(None, pattern=r"^https?://", description="its address; without one there is none")
    token_file: Path | None = Field(None, description="a file with the token of a service account of the role Admin")
    influx_url: str | None = Field(
        None, pattern=r"^https?://", description="InfluxDB as seen from Grafana; default: influx.url"
    )
    influx_token_file: Path | None = Field(None, description="a token that can only read; default: influx.token_file")


class Settings(BaseSettings):
    """Everything the gateway can be told."""

    model_config = SettingsConfigDict(env_prefix="FAIRMETER_", env_nested_delimiter="__", extra="forbid", frozen=True)

    gateway: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")] = Field(
        "site-1", description="this gateway's name, as its statements cite it"
    )
    data: Path = Field(Path("data"), description="folder of journal, blocks, ledger, statements and keys")
    contracts: Path = Field(Path("contracts"), description="folder of the contracts it serves, one YAML file each")
    broker: BrokerSettings = BrokerSettings()
    topics: TopicSettings = TopicSettings()
    limits: LimitSettings = LimitSettings()
    influx: InfluxSettings = InfluxSettings()
    grafana: GrafanaSettings = GrafanaSettings()

    def layout(self) -> Layout:
        """The topic patterns and the JSON shape."""
        topics = self.topics
        mapped = tuple(Mapped(each.path, each.channel, Decimal(each.factor)) for each in topics.channels)
        shape = Shape(mapped, time=topics.time) if mapped else None
        return Layout(topics.telemetry, topics.status, topics.event, shape)

    def connection(self) -> Connection:
        """How to reach the broker; raises OSError where the password file cannot be read."""
        broker = self.broker
        password = broker.password_file.read_text().strip() if broker.password_file else None
        tls = Tls(broker.ca_file, broker.certificate_file, broker.key_file) if broker.tls else None
        return Connection(
            broker.host,
            broker.port,
            broker.client_id,
            broker.username,
            password,
            tls,
            Protocol(broker.protocol),
            broker.keepalive_s,
            self.layout().filters(),
        )

    def ingest_limits(self) -> Limits:
        """The limits of ingest."""
        return Limits(payload_bytes=self.limits.payload_bytes, batch_messages=self.limits.batch_messages)


def load_settings(path: Path | None, **overrides: Any) -> Settings:
    """The settings in a TOML file (default: `fairmeter.toml` where there is one), environment and overrides.

    Raises ProblemsFound with everything that is wrong.
    """
    named = path or (Path(os.environ["FAIRMETER_SETTINGS"]) if "FAIRMETER_SETTINGS" in os.environ else None)
    file = named or DEFAULT_FILE
    values: dict[str, Any] = {}
    if named is not None or file.exists():
        try:
            values = tomllib.loads(file.read_text())
        except OSError as error:
            raise ProblemsFound(
                [Problem(str(file), 0, 0, f"cannot be read: {error.strerror}", "Name another")]
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProblemsFound([Problem(str(file), 0, 0, f"is not TOML: {error}", "See docs/settings.md")]) from None
    try:
        return _from_file(values)(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise ProblemsFound([_problem(file, values, detail) for detail in error.errors()]) from None


def _from_file(values: dict[str, Any]) -> type[Settings]:
    """Settings of which a command's options come first, then the environment, then these values of a file."""

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    return Loaded


def _problem(file: Path, values: dict[str, Any], detail: Any) -> Problem:
    name = ".".join(str(step) for step in detail["loc"])
    place = str(file) if values else "environment"
    remedy = "docs/settings.md lists every setting"
    if detail["type"] == "extra_forbidden":
        return Problem(place, 0, 0, f"`{name}` is not a setting", remedy)
    return Problem(place, 0, 0, f"`{name}`: {detail['msg']}", remedy)
