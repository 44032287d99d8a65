"""What watching costs: `python -m tests.bench.watch [contracts] [devices] [days]` prints time a look takes.

Contracts as in the bench of the statement so far, with a guarantee and two obligations each and so many devices that
report once a minute; then one more reading arrives and its contract is looked at, as after each reading.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.settings import load_settings
from gateway.stores import Stores
from gateway.view import LiveView
from gateway.watching.lookout import Lookout
from tests.bench.blocks import MINUTE_MS, START_MS
from tests.bench.live import TERMS, month
from tests.gateway.site import telemetry

DAY_MS = 24 * 60 * MINUTE_MS


def main(contracts: int, devices: int, days: int) -> None:
    """Print the figures for so many contracts of so many devices after so many days."""
    end = START_MS + days * DAY_MS + 37 * MINUTE_MS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "contracts").mkdir()
        for number in range(contracts):
            listed = ", ".join(f"{{id: m{number}-{place}}}" for place in range(devices))
            text = TERMS.format(devices=listed).replace("id: BENCH", f"id: BENCH-{number}")
            (folder / "contracts" / f"{number}.yaml").write_text(text)
        with Stores.open(load_settings(None, data=folder / "data", contracts=folder / "contracts")) as stores:
            for number in range(contracts):
                for place in range(devices):
                    stores.journal.append(tuple(month(f"m{number}-{place}", days)))
            _project(stores)
            view = LiveView(stores)
            watch = Lookout(stores, view)
            print(f"all from nothing: {_spent(lambda: watch.look(end, reached_only=False)):.2f} s of processor time")
            view.forget_dirty()
            print(f"all again: {_spent(lambda: watch.look(end + 1, reached_only=False)):.2f} s")
            one = [_after_a_reading(stores, watch, number % contracts, end + 10 * number) for number in range(40)]
            print(f"one, after a reading: {1000 * statistics.median(one):.1f} ms, {1000 * max(one):.1f} ms at most")
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{contracts} contracts of {devices} devices after {days} days, {memory:.0f} MB at most")


def _after_a_reading(stores: Stores, watch: Lookout, number: int, moment: int) -> float:
    """Processor seconds of the look after one reading of a contract."""
    values = {"air_flow": 17.5, "pressure": 6.1 if moment % 3 else 7.4, "run_hours": 700}
    stores.journal.append((telemetry({"t": moment, "v": values}, moment + 5, f"m{number}-0"),))
    _project(stores)
    return _spent(lambda: watch.look(moment + 9, reached_only=True))


def _project(stores: Stores) -> None:
    projector = stores.projector()
    while projector.project_next():
        pass


def _spent(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [20, 10, 10][len(given) :]))
