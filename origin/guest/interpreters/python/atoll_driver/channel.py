"""The wire to the agent: frames of a type (1 byte), a length (4 bytes, big endian) and JSON. See origin/guest/channel.go.

It belongs to the process that the agent started. A child that this one forks has no hold of it.
"""

import json
import os
import struct

RESULT, ERROR, DONE = 1, 2, 3
_HEADER = struct.Struct(">BI")


class Channel:
    def __init__(self, descriptor):
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)
        os.register_at_fork(after_in_child=self._leave)

    def is_open(self):
        return self._descriptor is not None

    def receive(self):
        """The next call, or None when the agent has hung up."""
        header = self._read(_HEADER.size)
        if header is None:
            return None
        _, length = _HEADER.unpack(header)
        body = self._read(length)
        return None if body is None else json.loads(body)

    def send(self, kind, value):
        if self._descriptor is None:
            return
        body = json.dumps(value).encode()
        left = memoryview(_HEADER.pack(kind, len(body)) + body)
        while left:
            left = left[os.write(self._descriptor, left):]

    def _read(self, length):
        chunks = []
        while length > 0:
            chunk = os.read(self._descriptor, min(length, 1 << 20))
            if not chunk:
                return None
            chunks.append(chunk)
            length -= len(chunk)
        return b"".join(chunks)

    def _leave(self):
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
