"""stdout and stderr that show what is printed while it is printed: each line at once, and what has no end yet soon after."""

import io
import sys
import time

_STALE_SEC = 0.02


class LiveStream(io.TextIOWrapper):
    """Flushes a text without a newline unless the last flush was a moment ago, so that `print` costs one system call, not two."""

    _flushed_at = 0.0

    def write(self, text):
        count = super().write(text)
        if "\n" in text or time.monotonic() - self._flushed_at > _STALE_SEC:
            self.flush()
            self._flushed_at = time.monotonic()
        return count


def replace_streams():
    # Text that is not UTF-8 goes out as the bytes that it was made from; an error message must come out whatever it has in it.
    sys.stdout = sys.__stdout__ = LiveStream(sys.stdout.detach(), encoding="utf-8", errors="surrogateescape")
    sys.stderr = sys.__stderr__ = LiveStream(sys.stderr.detach(), encoding="utf-8", errors="backslashreplace")


def flush_streams():
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        try:
            stream.flush()
        except Exception:
            # A cell may have closed it, or put something of its own in its place.
            pass
