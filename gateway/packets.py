"""MQTT packets in bulk: what comes most often, PUBLISH and PUBACK, many at a time; everything else is paho's.

paho reads a packet byte by byte, each a call to the system, and sends each acknowledgement by itself. Between paho and
its socket therefore stands a `Stream` that reads ahead: whole PUBLISH packets are taken from it directly, and paho is
given each packet of another kind, and whatever is odd, to read as if it came from the socket. So connecting, sessions,
encryption, keepalive, subscribing and publishing stay with paho, and packets are dealt with in the order they came.
"""

import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5

_READ_BYTES: Final = 64 << 10
_READ_AHEAD_BYTES: Final = 1 << 20
_PUBLISH: Final = frozenset({0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B})  # QoS 0, QoS 1, QoS 1 again; with RETAIN and without
_AT_LEAST_ONCE: Final = 0x02
_RETAINED: Final = 0x01
_PUBACK: Final = 0x40
_NO_PROPERTIES: Final = b"\0"
_MORE_DIGITS: Final = 0x80
_LARGEST_SHIFT: Final = 21
_ACKNOWLEDGED: Final = struct.Struct("!BBH")

Delivered = tuple[int | None, str, bytes, bool]  # packet identifier (None at QoS 0), topic, payload, retained


class Stream:
    """What paho takes for its socket: the broker's bytes, read ahead, of which it sees only what it is given."""

    def __init__(self, opened: socket.socket, has_properties: bool) -> None:
        """`has_properties`: PUBLISH packets are those of MQTT 5."""
        self.socket = opened
        self._has_properties = has_properties
        self._data = b""
        self._at = 0
        self._given = 0  # paho may read up to here
        self._chunks: list[bytes] = []  # read after `_data`
        self._missing = 0  # of the packet that begins in `_data`
        self._end: OSError | bool = False

    def fill(self) -> bool:
        """Read once; True where more may wait already."""
        size = min(max(_READ_BYTES, self._missing), _READ_AHEAD_BYTES)
        try:
            chunk = self.socket.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            self._end = error
            return False
        if not chunk:
            self._end = True
            return False
        self._chunks.append(chunk)
        self._missing -= len(chunk)
        return len(chunk) == size or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0)

    def packets(self) -> Iterator[Delivered | None]:
        """What was read and not taken yet, packet by packet; None where paho is to read one, or the end."""
        if self._missing <= 0:  # a large packet is put together once, when it is whole
            self._data, self._at = b"".join([self._data[self._at :], *self._chunks]), 0
            self._chunks.clear()
        while self._missing <= 0 and (bounds := self._next_packet()):
            start, stop = bounds
            delivered = self._delivered(start, stop)
            if delivered is None:
                self._given = stop
            else:
                self._at = stop
            yield delivered
            self._at = stop
        if self._end:
            yield None

    def _next_packet(self) -> tuple[int, int] | None:
        """Where the content of the next packet begins and ends; None where it is not whole yet."""
        data, head = self._data, self._at + 1
        size = shift = 0
        for digit in data[head : head + 4]:
            head += 1
            size |= (digit & 0x7F) << shift
            if digit < _MORE_DIGITS:
                stop = head + size
                self._missing = stop - len(data)
                return (head, stop) if stop <= len(data) else None
            shift += 7
        self._missing = 0
        # No length has five digits: paho is to see it and hang up.
        return (head, len(data)) if shift > _LARGEST_SHIFT and head < len(data) else None

    def _delivered(self, start: int, stop: int) -> Delivered | None:
        """The message of a PUBLISH packet; None for anything else, and for one in which something is odd."""
        data, kind = self._data, self._data[self._at]
        if kind not in _PUBLISH or start + 2 > stop:
            return None
        topic_end = start + 2 + (data[start] << 8 | data[start + 1])
        identifier, begin = None, topic_end
        if kind & _AT_LEAST_ONCE:
            begin += 2
            if begin > stop:
                return None
            identifier = data[topic_end] << 8 | data[topic_end + 1]
        if self._has_properties:
            if data[begin : begin + 1] != _NO_PROPERTIES:
                return None
            begin += 1
        if begin > stop or topic_end == start + 2:
            return None
        return (
            identifier,
            data[start + 2 : topic_end].decode("utf-8", "surrogateescape"),
            data[begin:stop],
            kind & 1 == 1,
        )

    # --- as paho's socket -------------------------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """The next bytes paho was given, or how the connection ended."""
        if self._at < self._given:
            found = self._data[self._at : min(self._at + size, self._given)]
            self._at += len(found)
            return found
        if isinstance(self._end, OSError):
            raise self._end
        if self._end:
            return b""
        raise BlockingIOError

    def send(self, data: bytes) -> int:
        """As a socket's."""
        return self.socket.send(data)

    def setblocking(self, flag: bool) -> None:
        """As a socket's."""
        self.socket.setblocking(flag)

    def fileno(self) -> int:
        """As a socket's."""
        return self.socket.fileno()

    def close(self) -> None:
        """As a socket's."""
        self.socket.close()


class BulkClient(Client):
    """A paho client whose socket is a `Stream`, and that sends many acknowledgements at once."""

    def _create_socket(self) -> Any:
        opened: Any = super()._create_socket()
        return Stream(opened, self.protocol == MQTTv5)

    def acknowledge(self, deliveries: Sequence[int]) -> None:
        """Send a PUBACK for each, in this order."""
        pack = _ACKNOWLEDGED.pack
        packets = b"".join([pack(_PUBACK, 2, each) for each in deliveries])
        # As one packet of paho's queue they are written together, and never between the parts of another.
        self._packet_queue(_PUBACK, packets, 0, 1)
