"""A client that only receives and acknowledges: the yardstick of the whole gateway, a process of its own.

`paho` is a client as paho's documentation builds one, reading on while more waits: as fast as paho itself can be.
`link` is the gateway's own link with nothing behind it. Each prints what it took as JSON once it has seen so many.
"""

import asyncio
import json
import select
import sys
import time
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.link import Connection, Link
from gateway.payloads import Layout

_TOPIC = Layout().filters()[0]


class Stopwatch:
    """Says when it is ready, starts at the first message, and prints what was taken at the last."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._seen = 0
        self._began = (0.0, 0.0)

    def ready(self) -> None:
        """The broker keeps what is published from now on."""
        print("ready", flush=True)

    def count(self) -> bool:
        """One more has been acknowledged; was it the last?"""
        if self._seen == 0:
            self._began = (time.perf_counter(), time.process_time())
        self._seen += 1
        if self._seen < self._messages:
            return False
        wall_s, processor_s = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        print(json.dumps({"wall_s": wall_s, "processor_s": processor_s}), flush=True)
        return True


def paho(port: int, watch: Stopwatch) -> None:
    """Receive with paho alone."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="yardstick-paho", clean_session=False, manual_ack=True)

    def received(_: Client, __: Any, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        if watch.count():
            client.disconnect()

    def connected(*_: Any) -> None:
        client.subscribe(_TOPIC, 1)

    client.on_message, client.on_connect = received, connected
    client.on_subscribe = lambda *_: watch.ready()
    client.on_socket_register_write = lambda *_: None  # as with any outer loop: what is to be sent waits for its turn
    client.connect("127.0.0.1", port)
    opened: Any = client.socket()
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    while client.socket() is not None:
        more = bool(poll.poll(10))
        while more and client.socket() is not None:
            client.loop_read()
            more = bool(poll.poll(0))
        client.loop_misc()
        if client.want_write():
            client.loop_write()


async def link(port: int, watch: Stopwatch) -> None:
    """Receive with the gateway's own link."""

    def received(delivery: int | None, *_: object) -> None:
        if delivery is not None:
            receiver.acknowledge((delivery,))
        if watch.count():
            receiver.stop()

    connection = Connection(port=port, client_id="yardstick-link", topics=(_TOPIC,))
    receiver = Link(connection, lambda _: receiver.subscribe(), received, lambda: None)
    running = asyncio.create_task(receiver.run())
    await receiver.subscribed.wait()
    watch.ready()
    await running


if __name__ == "__main__":
    kind, at, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "paho":
        paho(at, Stopwatch(count))
    else:
        asyncio.run(link(at, Stopwatch(count)))
