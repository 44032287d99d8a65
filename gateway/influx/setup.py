"""Setting up an InfluxDB: the bucket with its retention, and a look whether the token may use it."""

from collections.abc import Callable
from typing import Any, Final

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from gateway.book import Book
from gateway.clock import now_ms
from gateway.influx.points import Point, lines
from gateway.influx.server import Influx, Refused

DAY_S: Final = 86_400
DAY_MS: Final = DAY_S * 1_000
_LONGEST_PERIOD_DAYS: Final = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


def prepare(influx: Influx, keep_days: int | None, say: Callable[[str], None]) -> int:
    """Make the bucket if it is not there, set how long it keeps points if that is asked, and write into it.

    For how many days it keeps them is returned; 0 is for ever.

    `keep_days` 0 is for ever; None leaves a bucket as it is, and makes a new one that keeps for ever. Each thing done
    or found is said. Unreachable or Refused where it cannot be done.
    """
    version = influx.version()
    say(f"InfluxDB {version} at {influx.url}")
    try:
        kept = (_prepare_2 if _is_2(influx) else _prepare_1)(influx, keep_days, say)
    except (ApiException, HTTPError, OSError) as error:
        raise influx.fault(error) from error
    except InfluxDBError as error:
        raise Refused(f"InfluxDB at {influx.url}: {error}; correct influx.org, or the token's rights") from error
    influx.write(lines([Point("marker", {"gateway": "init"}, {"id": "init"}, now_ms())]))
    influx.check()
    say(f"the token may write and read {influx.bucket}")
    return kept


def least_days(book: Book) -> int:
    """How many days a bucket must keep for statements to be computed from it a second time."""
    needed = [
        _LONGEST_PERIOD_DAYS[contract.terms.period] + (contract.terms.grace + contract.terms.corrections) // DAY_MS + 1
        for contract in book.contracts
    ]
    return max(needed, default=0)


def _is_2(influx: Influx) -> bool:
    """Whether the server has the parts of 2.x that 1.8 has not."""
    try:
        _client(influx).api_client.call_api("/api/v2/setup", "GET")
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def _prepare_2(influx: Influx, keep_days: int | None, say: Callable[[str], None]) -> int:
    buckets = _client(influx).buckets_api()
    shard_s = _shard_days(keep_days) * DAY_S
    rules = [{"type": "expire", "everySeconds": (keep_days or 0) * DAY_S, "shardGroupDurationSeconds": shard_s}]
    bucket = _bucket(influx)
    if bucket is None:
        buckets.create_bucket(bucket_name=influx.bucket, org=influx.org, retention_rules=rules)
        say(f"made the bucket {influx.bucket}, which keeps points {_for(keep_days or 0)}")
        return keep_days or 0
    kept = (bucket.retention_rules[0].every_seconds if bucket.retention_rules else 0) // DAY_S
    if keep_days in (None, kept):
        say(f"the bucket {influx.bucket} is there and keeps points {_for(kept)}")
        return kept
    bucket.retention_rules = rules
    buckets.update_bucket(bucket)
    say(f"the bucket {influx.bucket} keeps points {_for(keep_days)} now, and not {_for(kept)}")
    return keep_days


def _shard_days(keep_days: int | None) -> int:
    """How many days go into one of InfluxDB's files: it must keep points for longer than that."""
    return 1 if keep_days else 7


def _bucket(influx: Influx) -> Any:
    """The bucket as 2.x describes it; None where there is none."""
    try:
        found = _client(influx).buckets_api().find_buckets(name=influx.bucket, org=influx.org).buckets
    except ApiException as error:
        if error.status == 404:
            return None
        raise
    return found[0] if found else None


def _client(influx: Influx) -> Any:
    """The library's client, whose parts for administration have no types."""
    return influx.client


def _prepare_1(influx: Influx, keep_days: int | None, say: Callable[[str], None]) -> int:
    database, _, policy = influx.bucket.partition("/")
    named = policy or "autogen"
    if [database] in _rows(influx, "SHOW DATABASES"):
        say(f"the database {database} is there")
    else:
        _rows(influx, f"CREATE DATABASE {_name(database)}")
        say(f"made the database {database}")
    durations = {row[0]: row[1] for row in _rows(influx, f"SHOW RETENTION POLICIES ON {_name(database)}")}
    wanted = f"{keep_days}d" if keep_days else "INF"
    where = f"{_name(named)} ON {_name(database)} DURATION {wanted}"
    if named not in durations:
        _rows(influx, f"CREATE RETENTION POLICY {where} REPLICATION 1")
        say(f"made the retention policy {named}, which keeps points {_for(keep_days or 0)}")
        return keep_days or 0
    kept = int(durations[named].partition("h")[0]) // 24 if "h" in durations[named] else 0
    if keep_days in (None, kept):
        say(f"the retention policy {named} is there and keeps points {_for(kept)}")
        return kept
    _rows(influx, f"ALTER RETENTION POLICY {where} SHARD DURATION {_shard_days(keep_days)}d")
    say(f"the retention policy {named} keeps points {_for(keep_days)} now, and not {_for(kept)}")
    return keep_days


def _rows(influx: Influx, query: str) -> list[list[Any]]:
    """The rows of an InfluxQL statement; Refused with what the server says against it."""
    ask = _client(influx).api_client.call_api
    answer, *_ = ask("/query", "POST", query_params=[("q", query)], response_type="object")
    result = answer["results"][0]
    if "error" in result:
        raise Refused(f"InfluxDB at {influx.url} refused {query}: {result['error']}")
    return [row for series in result.get("series", []) for row in series.get("values", [])]


def _name(text: str) -> str:
    return f'"{text}"'


def _for(days: int) -> str:
    return "for ever" if days == 0 else f"for {days} days"
