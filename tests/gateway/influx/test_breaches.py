"""What the watch says as points of InfluxDB."""

from pathlib import Path

from gateway.influx.breaches import WatchSeries, point
from gateway.influx.cursor import Cursor
from gateway.influx.points import line
from gateway.influx.sending import Sender
from gateway.influx.server import Influx
from gateway.settings import InfluxSettings
from gateway.view import LiveView
from gateway.watching.lookout import Lookout
from tests.contracts.samples import contract_text
from tests.gateway.living import CHANNELS, at
from tests.gateway.test_watching import UPTIME, opened, report


def test_a_breach_is_one_point_at_its_beginning_whatever_becomes_of_it(tmp_path: Path) -> None:
    """Opened, then closed, it is the same point with other fields; a warning stands where its level was reached."""
    with opened(tmp_path, contract_text(CHANNELS + UPTIME)) as stores:
        watch = Lookout(stores, LiveView(stores))
        report(stores, "01-02T08:00", up=1)
        report(stores, "01-02T09:00", up=0)
        watch.look(at("01-02T13:00"), reached_only=False)
        said, change = stores.watch.changes(0)
        breach, warning = (line(point(each)) for each in said)
        head = f'breach,contract=T-1,device=m1,promise=uptime,side=guarantee id="{said[0].id}",'
        start, end = at("01-02T09:00"), at("01-02T14:00")
        assert breach.startswith(f'{head}open=1i,provisional=1i,start_ms={start}i,state="opened",title="uptime"')
        assert breach.endswith(f'period="2026-01" {start}')
        assert warning.startswith("warning,contract=T-1,device=m1,kind=budget,level=50,period=2026-01,promise=uptime ")
        assert warning.endswith(f" {at('01-02T12:33:36')}")
        report(stores, "01-02T14:00", up=1)
        watch.look(at("01-02T14:01"), reached_only=True)
        (closed, *_), _ = stores.watch.changes(change)
        ends = f'open=0i,provisional=1i,start_ms={start}i,end_ms={end}i,duration_ms={end - start}i,state="closed"'
        assert line(point(closed)).startswith(head + ends)


def test_all_that_was_said_is_sent_and_sent_again_where_influxdb_was_emptied(
    tmp_path: Path, influx: InfluxSettings
) -> None:
    """InfluxDB has each breach as it stands; after it was emptied it has them all again, and the same."""
    with opened(tmp_path, contract_text(CHANNELS + UPTIME)) as stores:
        for moment, up in (("01-02T08:00", 1), ("01-02T09:00", 0), ("01-02T09:10", 1), ("01-02T09:20", 0)):
            report(stores, moment, up=up)
        Lookout(stores, LiveView(stores)).look(at("01-02T09:30"), reached_only=False)
        with Influx.open(influx) as server, Cursor.open(tmp_path / "influx.sqlite") as cursor:
            series, sender = WatchSeries(stores.watch), Sender(server, cursor)
            assert series.bring_up_to_date(sender, 0)
            assert not series.bring_up_to_date(sender, 0), "all is sent"
            breaches = [(at("01-02T09:00"), "closed"), (at("01-02T09:20"), "opened")]
            assert states_in(server, influx.bucket) == breaches
            sent = sender.sent
            series.begin_anew()
            assert series.bring_up_to_date(sender, 0)
            assert sender.sent == 2 * sent
            assert states_in(server, influx.bucket) == breaches


def states_in(server: Influx, bucket: str) -> list[tuple[int, str]]:
    """The beginning and the state of every breach in the bucket."""
    flux = f'from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._field == "state")'
    return sorted((row["_time"], row["_value"]) for row in server.tables(flux))
