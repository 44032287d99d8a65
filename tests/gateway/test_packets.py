"""Packets read in bulk: the same messages in the same order however the bytes come, the other packets left to paho."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.packets import Delivered, Stream

PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x03\x00\x01\x01"


def length(size: int) -> bytes:
    """An MQTT remaining length."""
    digits = b""
    while size >= 128:
        digits, size = digits + bytes([size % 128 | 128]), size // 128
    return digits + bytes([size])


def publish(
    topic: bytes, payload: bytes, identifier: int | None, retained: bool = False, properties: bytes = b""
) -> bytes:
    """A PUBLISH packet."""
    rest = len(topic).to_bytes(2, "big") + topic
    rest += b"" if identifier is None else identifier.to_bytes(2, "big")
    rest += properties + payload
    return bytes([0x30 | (identifier is not None) << 1 | retained]) + length(len(rest)) + rest


def taken(stream: Stream, sender: socket.socket, chunks: list[bytes]) -> Iterator[Delivered | bytes]:
    """What comes out of a stream fed chunk by chunk: messages, and the packets paho reads, byte by byte as it does."""
    for chunk in chunks:
        sender.sendall(chunk)
        while stream.fill():
            pass
        for delivered in stream.packets():
            yield delivered or b"".join(iter(lambda: _byte(stream), b""))


def _byte(stream: Stream) -> bytes:
    try:
        return stream.recv(1)
    except BlockingIOError:
        return b""


def stream_and_sender(has_properties: bool = False) -> tuple[Stream, socket.socket]:
    """A stream, and the socket a broker would write to."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Stream(ours, has_properties), theirs


TOPICS = st.sampled_from([b"telemetry/a", b"event/\xff\xfe", "status/ü".encode(), b"t"])
PUBLISHES = st.builds(publish, TOPICS, st.binary(max_size=300), st.none() | st.integers(0, 65_535), st.booleans())
PACKETS = st.lists(PUBLISHES | st.sampled_from([PINGRESP, SUBACK]), max_size=12)


@given(packets=PACKETS, sizes=st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_however_the_bytes_come_the_packets_are_the_same(packets: list[bytes], sizes: list[int]) -> None:
    """Cut anywhere, each message comes once, whole and in its place among the packets that paho reads."""
    data, chunks = b"".join(packets), []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    stream, sender = stream_and_sender()
    with sender, stream.socket:
        found = [
            each if isinstance(each, bytes) else publish_again(each) for each in taken(stream, sender, [*chunks, data])
        ]
    assert found == packets


def publish_again(delivered: Delivered) -> bytes:
    """The packet of a message."""
    identifier, topic, payload, retained = delivered
    return publish(topic.encode("utf-8", "surrogateescape"), payload, identifier, retained)


def test_a_packet_larger_than_one_read_is_put_together() -> None:
    """Three megabytes that come in small pieces are one message, and what follows them is the next."""
    payload = bytes(range(256)) * 12_000
    data = publish(b"telemetry/a", payload, 7) + publish(b"telemetry/b", b"x", 8)
    stream, sender = stream_and_sender()
    with sender, stream.socket:
        found = list(taken(stream, sender, [data[at : at + 50_000] for at in range(0, len(data), 50_000)]))
    assert found == [(7, "telemetry/a", payload, False), (8, "telemetry/b", b"x", False)]


@pytest.mark.parametrize(
    "odd",
    [
        publish(b"", b"no topic", 1),
        b"\x34" + publish(b"qos/2", b"x", 1)[1:],
        b"\x32\x03\x00\x01a",  # no identifier
        b"\x30\x01\x00",  # no topic at all
        b"\x30\x04\x00\x09ab",  # a topic longer than the packet
    ],
)
def test_what_is_odd_is_left_to_paho(odd: bytes) -> None:
    """A packet that is not as it should be reaches paho whole, which knows what to do with the connection."""
    stream, sender = stream_and_sender()
    with sender, stream.socket:
        assert list(taken(stream, sender, [publish(b"a", b"1", 1) + odd])) == [(1, "a", b"1", False), odd]


def test_a_length_without_end_is_left_to_paho() -> None:
    """A length of more than four digits is no length; paho sees it and hangs up."""
    stream, sender = stream_and_sender()
    with sender, stream.socket:
        assert list(taken(stream, sender, [b"\x30\xff\xff\xff\xff\xff"])) == [b"\x30\xff\xff\xff\xff\xff"]


def test_the_end_of_the_connection_reaches_paho_after_what_came_before_it() -> None:
    """Messages that came before the broker hung up are taken; then paho reads the end."""
    stream, sender = stream_and_sender()
    with stream.socket:
        sender.sendall(publish(b"a", b"1", 1) + b"\x32\x50")
        sender.close()
        while stream.fill():
            pass
        assert list(stream.packets()) == [(1, "a", b"1", False)]
        stream.fill()
        assert list(stream.packets()) == [None]
        assert stream.recv(1) == b""


def test_properties_of_mqtt_5_are_left_to_paho() -> None:
    """A message of MQTT 5 without properties is taken directly; one with some is paho's."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types here
    properties.ContentType = "json"
    with_some = publish(b"a", b"2", 2, properties=properties.pack())  # type: ignore[no-untyped-call]
    stream, sender = stream_and_sender(has_properties=True)
    with sender, stream.socket:
        found = list(taken(stream, sender, [publish(b"a", b"1", 1, properties=b"\0") + with_some]))
    assert found == [(1, "a", b"1", False), with_some]
