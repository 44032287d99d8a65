"""One InfluxDB, as it is spoken to: lines are written, Flux is asked, and every refusal names its remedy.

The same requests work with 2.x and, through its compatibility endpoints, with 1.8 (docs/influxdb.md). There are no
retries here: who writes knows what may be written again, and when.
"""

import contextlib
import csv
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from gateway.settings import InfluxSettings

_GZIP: Final = 31  # zlib's word for a gzip stream with the largest window
_LEVEL: Final = 1  # line protocol repeats itself: higher levels take five times as long to save a third
_CHUNK_BYTES: Final = 1 << 16
_ANNOTATED: Final = {"annotations": ["datatype", "group", "default"], "header": True}
_LATER: Final = (408, 429, 502, 503, 504)
_LINES: Final = ("partial write", "unable to parse", "dropped=")  # a 400 may also be a proxy's, or about the request
_NO_BUCKET: Final = ("retention policy not found", "invalid retention policy", "no database", "could not find bucket")


class InfluxError(Exception):
    """InfluxDB did not do what it was asked; the message says why, and what mends it."""


class Unreachable(InfluxError):  # noqa: N818 - what it is says it best
    """Nobody answers, or the server cannot just now: asked again later, it may."""


class Refused(InfluxError):  # noqa: N818
    """The server is there and will not, before somebody changes something: a token, a bucket, a query."""


class LinesRefused(Refused):
    """Some or all lines of a request were refused for what is in them; the others may have been written.

    `dropped` is how many the server says; None where it does not.
    """

    def __init__(self, message: str, dropped: int | None) -> None:
        super().__init__(message)
        self.dropped = dropped


@dataclass(frozen=True, slots=True)
class Influx:
    """An open connection to the bucket that the settings name. Any thread may use it."""

    url: str
    bucket: str
    org: str
    client: InfluxDBClient
    settings: InfluxSettings

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: InfluxSettings) -> Iterator[Self]:
        """A connection by these settings, closed at the end. Nothing is asked yet.

        Raises Refused where no `influx.url` is set or its token file cannot be read.
        """
        url = settings.url
        if url is None:
            raise Refused("no InfluxDB is set: name its address in influx.url (docs/settings.md)")
        timeout = int(settings.timeout_s * 1_000)
        with InfluxDBClient(url, token_of(settings), timeout=timeout, org=settings.org) as client:
            yield cls(url, settings.bucket, settings.org, client, settings)

    def write(self, lines: bytes) -> None:
        """Write lines of line protocol, times in ms; on return they are stored.

        Raises Unreachable, Refused, or LinesRefused where only some of the lines are at fault.
        """
        packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        body = packer.compress(lines) + packer.flush()
        service: Any = WriteService  # the library's services have no types
        try:
            service(self.client.api_client).post_write(
                self.org, self.bucket, body, precision="ms", content_encoding="gzip"
            )
        except (ApiException, HTTPError, OSError) as error:
            raise self._write_fault(error) from error

    def take_token(self) -> None:
        """Read the token again, which somebody may have corrected; Refused where it cannot be read."""
        client: Any = self.client.api_client
        client.set_default_header("Authorization", f"Token {token_of(self.settings)}")

    def query(self, flux: str, *, bare: bool = False) -> Iterator[bytes]:
        """The answer to a query as CSV, in pieces as it comes; Unreachable or Refused, also on the way.

        The CSV is annotated, or with `bare` nothing but rows.
        """
        dialect = {"annotations": [], "header": False} if bare else _ANNOTATED
        try:
            answer = self.client.query_api().query_raw(flux, dialect=dialect)
            try:
                yield from answer.stream(_CHUNK_BYTES)
            finally:
                answer.close()
        except (ApiException, HTTPError, OSError) as error:
            raise self.fault(error) from error

    def tables(self, flux: str) -> list[dict[str, Any]]:
        """A small answer as rows: numbers as int and float, times as ms since 1970, all else as text.

        InfluxDB writes every line break of a text as CR LF; here they are all LF.
        """
        return list(rows(b"".join(self.query(flux)).replace(b"\r\n", b"\n").decode()))

    def version(self) -> str:
        """The version that the server says it is, such as `v2.7.12` or `1.8.10`; Unreachable where none answers."""
        try:
            return str(self.client.version())
        except (ApiException, HTTPError, OSError) as error:
            raise self.fault(error) from error

    def check(self) -> None:
        """See that the bucket is there and may be read; Unreachable or Refused."""
        self.tables(f'from(bucket: "{self.bucket}") |> range(start: -1m) |> limit(n: 1)')

    def fault(self, error: Exception) -> InfluxError:
        """What an error of the client library means, with its remedy."""
        if not isinstance(error, ApiException) or error.status == 0:
            remedy = "start it, or correct influx.url"
            return Unreachable(f"InfluxDB at {self.url} does not answer ({_shortly(error)}); {remedy}")
        said = _said(error)
        if error.status == 401:
            remedy = "check influx.token_file and influx.org; on 1.8 the token is user:password"
            return Refused(f"InfluxDB at {self.url} does not accept the token ({said}); {remedy}")
        if error.status == 403 or "requires READ" in said:
            remedy = f"let it read and write {self.bucket}"
            return Refused(f"InfluxDB at {self.url}: the token lacks a right ({said}); {remedy}")
        if error.status == 404 or any(each in said for each in _NO_BUCKET):
            remedy = "`fairmeter influx init` makes it, or name another in influx.bucket or influx.org"
            unseen = "; 2.x says so of a bucket, too, that the token has no right to read"
            return Refused(f"InfluxDB at {self.url} has no bucket {self.bucket} ({said}); {remedy}{unseen}")
        if error.status in _LATER:
            return Unreachable(f"InfluxDB at {self.url} is not ready ({error.status} {said}); asked again until it is")
        return Refused(f"InfluxDB at {self.url} could not answer: {said}")

    def _write_fault(self, error: Exception) -> InfluxError:
        fault = self.fault(error)
        if not isinstance(error, ApiException) or not isinstance(fault, Refused):
            return fault
        said = _said(error)
        if error.status in (413, 422) or (error.status == 400 and any(each in said for each in _LINES)):
            dropped = re.search(r"dropped=(\d+)", said)
            return LinesRefused(f"InfluxDB refused lines: {said}", int(dropped[1]) if dropped else None)
        if error.status == 500 and not any(each in said for each in _NO_BUCKET):
            room = "make room on its disk" if "no space left" in said else "its own log says more"
            return Unreachable(f"InfluxDB at {self.url} could not write ({said}); {room}; written again until it can")
        return fault


def token_of(settings: InfluxSettings) -> str:
    """The token, from its file; Refused where that cannot be read."""
    if settings.token_file is None:
        return ""
    try:
        return settings.token_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "put the token of InfluxDB there, and let this user read it"
        raise Refused(f"influx.token_file {settings.token_file} cannot be read ({error}); {remedy}") from error


def rows(text: str) -> Iterator[dict[str, Any]]:
    """The rows of an annotated CSV; Refused where it tells of an error instead."""
    types: Sequence[str] = ()
    names: Sequence[str] = ()
    defaults: Sequence[str] = ()
    for cells in csv.reader(io.StringIO(text, newline="")):
        if not cells or cells == [""]:
            names = ()
        elif cells[0] == "#datatype":
            types, names, defaults = cells, (), ()
        elif cells[0] == "#default":
            defaults = cells
        elif cells[0].startswith("#"):
            continue
        elif not names:
            names = cells
        elif "error" in names and "reference" in names:
            raise Refused(f"InfluxDB could not answer: {cells[names.index('error')]}")
        else:
            yield {
                name: _value(kind, cell or default)
                for name, kind, cell, default in zip(names, types, cells, defaults or cells, strict=False)
                if name
            }


def _value(kind: str, cell: str) -> Any:
    if kind == "string":
        return cell
    if cell == "":
        return None
    if kind in ("long", "unsignedLong"):
        return int(cell)
    if kind == "double":
        return float(cell)
    if kind.startswith("dateTime"):
        return round(datetime.fromisoformat(cell).timestamp() * 1_000)
    return cell == "true" if kind == "boolean" else cell


def _said(error: ApiException) -> str:
    """What the server says of an error, from its JSON if it is one."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body
    text = re.search(r'"(?:message|error)":\s*"((?:[^"\\]|\\.)*)"', body or "")
    return (text[1].replace('\\"', '"') if text else body or str(error.reason)).strip()[:500]


def _shortly(error: Exception) -> str:
    """The reason inside urllib3's long messages."""
    found: object = getattr(error, "reason", None) or error
    return str(found).rpartition(": ")[2] or type(error).__name__
