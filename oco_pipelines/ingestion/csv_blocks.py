"""Cuts a stream of CSV into blocks that end where a record ends, so that files of any size fit.

A newline within quotes ends no record: what counts is whether the quotes before it are even.
"""

import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Final

from oco_warehouse.errors import InvalidFileError

BLOCK_BYTES: Final = 24 * 1024**2
# A gzip file of a few megabytes can unpack to anything.
_MAX_BYTES: Final = 256 * 1024**3
_MARK: Final = b"\xef\xbb\xbf"


def read_blocks(name: str, stream: BufferedIOBase, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of whole records, the first without a byte order mark; the last may lack its newline.

    Args:
        name: for messages.
        stream: the file, unpacked.
        size: how many bytes are read at once.

    Raises:
        InvalidFileError: for damaged gzip data, an unending quote, or a file that is too large.
    """
    rest, done, started = b"", 0, False
    while True:
        try:
            more = stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidFileError(f"{name}: the gzip data is damaged ({error})") from None
        done += len(more)
        if done > _MAX_BYTES:
            raise InvalidFileError(f"{name}: more than {_MAX_BYTES} bytes unpacked: split it")
        block = rest + more
        if not started:
            # A tiny first read may hold half a mark only.
            if more and len(block) < len(_MARK):
                rest = block
                continue
            block, started = block.removeprefix(_MARK), True
        if not more:
            if block:
                yield block
            return
        end = record_end(block)
        rest = block[end:]
        if end:
            yield block[:end]
        elif len(rest) > 2 * size + len(_MARK):
            raise InvalidFileError(
                f"{name}: the CSV is damaged (a record of more than {2 * size} bytes: "
                "is a quote left open?)"
            )


def record_end(block: bytes) -> int:
    """Where the last whole record of a block that begins with one ends; 0 when there is none."""
    end = block.rfind(b"\n") + 1
    quotes = block.count(b'"', 0, end)
    while end and quotes % 2:
        before = block.rfind(b"\n", 0, end - 1) + 1
        quotes -= block.count(b'"', before, end)
        end = before
    return end
