"""A token for Grafana that can read the gateway's bucket, and do nothing else.

Whoever may look at a panel may send a query of its own through Grafana, and a query can write. So Grafana is not given
the token that the gateway writes with.
"""

import sys
from pathlib import Path
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.bucket import Bucket
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException

from gateway.output import fail, say
from gateway.settings import InfluxSettings, load_settings

UNAUTHORIZED = 401


def hand_over(influx: InfluxSettings, file: Path) -> bool:
    """See that `file` holds a token that can read the bucket; True where a new one was needed.

    Raises OSError where InfluxDB cannot be reached, and ApiException where it refuses our own token.
    """
    if file.exists() and _can_read(influx, file.read_text().strip()):
        return False
    assert influx.url is not None and influx.token_file is not None, "the stack's settings name both"
    with InfluxDBClient(influx.url, influx.token_file.read_text().strip(), org=influx.org) as client:
        bucket = client.buckets_api().find_bucket_by_name(influx.bucket)
        if bucket is None:
            raise LookupError(f"InfluxDB has no bucket {influx.bucket}; run `fairmeter influx init`")
        token = client.authorizations_api().create_authorization(authorization=_reading(bucket)).token
    beside = file.with_suffix(".new")
    beside.write_text(f"{token}\n")
    beside.chmod(0o644)  # Grafana runs as a user of its own
    beside.replace(file)
    return True


def _reading(bucket: Bucket) -> Authorization:
    permission: Any = Permission  # the library's own classes have no annotations
    authorization: Any = Authorization
    resource: Any = PermissionResource
    its = resource(type="buckets", id=bucket.id, org_id=bucket.org_id)
    description = "Grafana reads what Fairmeter wrote"
    made: Authorization = authorization(
        org_id=bucket.org_id, description=description, permissions=[permission(action="read", resource=its)]
    )
    return made


def _can_read(influx: InfluxSettings, token: str) -> bool:
    assert influx.url is not None, "the stack's settings name it"
    with InfluxDBClient(influx.url, token, org=influx.org) as client:
        try:
            return client.buckets_api().find_bucket_by_name(influx.bucket) is not None
        except ApiException as error:
            if error.status != UNAUTHORIZED:
                raise
            return False


def main() -> None:
    """The command of the service `grafana_token`."""
    file = Path(sys.argv[1])
    try:
        new = hand_over(load_settings(None).influx, file)
    except (OSError, ApiException, LookupError) as error:
        fail(f"no token for Grafana: {error}")
    say(f"{file}: {'a new token' if new else 'the token is still good'}")


if __name__ == "__main__":
    main()
