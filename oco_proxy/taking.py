"""Whether a client takes what is written to it, as its kernel acknowledges it.

The bytes that the process still has are too coarse: the kernel's own buffer asks for more only once
a third of it is free, which takes a slow reader minutes.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Final

# socket(7): on, for no time.
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_INT: Final = struct.Struct("i")
# Bytes in the send buffer, in <sys/socket.h> of macOS; Python has no name for it.
_SO_NWRITE: Final = 0x1024


class Taking:
    """What a connection has yet to deliver, while nothing is added to it.

    Args:
        transport: over TCP.
        now: the loop's time.
    """

    def __init__(self, transport: asyncio.Transport, now: float) -> None:
        self._transport = transport
        self._left = _undelivered(transport)
        self._since = now

    def nothing_since(self, now: float) -> float:
        """Seconds since a look found that the client had taken something."""
        left = _undelivered(self._transport)
        if left < self._left:
            self._left, self._since = left, now
        return now - self._since

    def reset(self) -> None:
        """End the connection; what is not delivered is dropped, by the kernel too.

        The client gets a reset: an orderly end would make half an answer look whole.
        """
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
        )
        self._transport.abort()


def _undelivered(transport: asyncio.Transport) -> int:
    """Bytes that the client's side has not acknowledged: the process's and the kernel's."""
    its_socket = transport.get_extra_info("socket")
    in_kernel: int
    if sys.platform == "darwin":
        in_kernel = its_socket.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
    else:
        # SIOCOUTQ, tcp(7): it has the number of the terminals' request.
        (in_kernel,) = _INT.unpack(fcntl.ioctl(its_socket.fileno(), termios.TIOCOUTQ, bytes(4)))
    return in_kernel + transport.get_write_buffer_size()
