"""An append-only spool of request records on the local disk.

One folder a gateway process, held by a file lock, so that several processes share a volume and the
records of a dead process are found and taken over. A line is `crc32 length json`; a torn last line
(a crash in mid-write) is recognised and ends the segment. What is written survives the death of the
process at once, and a power failure after the next fsync, at most `FSYNC_SECONDS` later.
"""

import contextlib
import fcntl
import os
import socket
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.records import RequestRecord

_log = structlog.get_logger(__name__)

SEGMENT_BYTES: Final = 8 * 1024 * 1024
MAX_LINE_BYTES: Final = 1024 * 1024
FSYNC_SECONDS: Final = 0.2
# With this much unwritten, the gateway takes no further calls until PostgreSQL has caught up.
MAX_SPOOL_BYTES: Final = 2 * 1024**3
# Records that the disk refused wait here; with one of them no further call is taken.
MAX_WAITING: Final = 10_000
_CHECKPOINT: Final = "checkpoint"
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a folder: the segment's number and the byte offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that were read, the place after them, and how many bytes they take."""

    records: list[RequestRecord]
    end: Position
    size: int


def encode(record: RequestRecord) -> bytes:
    """One line of the spool."""
    body = record.to_json()
    return b"%08x %d %s\n" % (zlib.crc32(body), len(body), body)


def decode(line: bytes) -> RequestRecord:
    """Read one whole line back.

    Raises:
        InvalidInputError: when the line is torn or damaged.
    """
    parts = line.rstrip(b"\n").split(b" ", 2)
    if len(parts) != 3 or not parts[1].isdigit() or len(parts[2]) != int(parts[1]):
        raise InvalidInputError("a spool line is torn")
    if b"%08x" % zlib.crc32(parts[2]) != parts[0]:
        raise InvalidInputError("a spool line is damaged")
    return RequestRecord.from_json(parts[2])


def _checkpoint_line(position: Position) -> bytes:
    figures = b"%020d %020d" % (position.segment, position.offset)
    return b"%s %08x\n" % (figures, zlib.crc32(figures))


class SpoolFolder:
    """One process's folder: segments, the checkpoint, and the lock that says whether it lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self) -> bool:
        """Take the folder's lock; False when a living process has it."""
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def segments(self) -> list[int]:
        """Numbers of the segments, oldest first."""
        return sorted(int(path.stem) for path in self.path.glob("[0-9]*.jsonl"))

    def segment_path(self, number: int) -> Path:
        """Path of a segment."""
        return self.path / f"{number:012d}.jsonl"

    def checkpoint(self) -> Position:
        """Everything before this place is in PostgreSQL."""
        try:
            line = (self.path / _CHECKPOINT).read_bytes()
            position = Position(*map(int, line.split()[:2]))
            if line == _checkpoint_line(position):
                return position
        except (FileNotFoundError, ValueError, TypeError):
            pass
        # Without a readable checkpoint everything is written again, which changes nothing.
        return Position(0, 0)

    def advance(self, position: Position) -> None:
        """Remember that everything before a place is in PostgreSQL, and drop whole segments.

        It works on a full disk: segments go first, and the checkpoint, which always has the same
        length, is overwritten in place.
        """
        for number in self.segments():
            if number < position.segment:
                self.segment_path(number).unlink(missing_ok=True)
        text = _checkpoint_line(position)
        descriptor = os.open(self.path / _CHECKPOINT, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, text, 0)
        finally:
            os.close(descriptor)

    def read(self, start: Position, limit: int) -> "Batch":
        """At most `limit` records from a place on."""
        records: list[RequestRecord] = []
        position = start
        size = 0
        numbers = [number for number in self.segments() if number >= start.segment]
        for index, number in enumerate(numbers):
            offset = start.offset if number == start.segment else 0
            last = index == len(numbers) - 1
            for line, end in self._lines(number, offset):
                if len(records) == limit:
                    return Batch(records, position, size)
                try:
                    records.append(decode(line))
                except InvalidInputError as error:
                    if not line.endswith(b"\n"):
                        break  # still being written, or torn by a crash
                    _log.error("spool_line_damaged", segment=number, reason=str(error))
                    self._keep_damaged(line)
                position = Position(number, end)
                size += len(line)
            if not last and len(records) < limit:
                position = Position(numbers[index + 1], 0)
        return Batch(records, position, size)

    def _keep_damaged(self, line: bytes) -> None:
        # Beside the folders, which are removed once they are written out.
        with (self.path.parent / f"damaged-{self.path.name}.jsonl").open("ab") as file:
            file.write(line)

    def _lines(self, number: int, offset: int) -> Iterator[tuple[bytes, int]]:
        with contextlib.suppress(FileNotFoundError), self.segment_path(number).open("rb") as file:
            file.seek(offset)
            while line := file.readline(MAX_LINE_BYTES):
                offset += len(line)
                yield line, offset

    def remove(self) -> None:
        """Delete a folder that was written out."""
        for path in self.path.iterdir():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()
        self.release()


class Spool:
    """The writing side: this process's own folder.

    Args:
        root: folder of all processes' spools.

    Raises:
        ConfigurationError: when the folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gateway_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        path = root / self.gateway_id
        try:
            # Hidden until it is locked, so that nobody takes it for a dead process's.
            hidden = root / f".{self.gateway_id}"
            hidden.mkdir(parents=True)
            self.folder = SpoolFolder(hidden)
            if not self.folder.claim():
                raise ConfigurationError(f"the spool folder {path} is in use")
            self.folder.path = hidden.rename(path)
            self._segment = 1
            self._file = self._open()
        except OSError as error:
            raise ConfigurationError(
                f"OCO_SPOOL_DIR: {root} cannot be written ({error.strerror}); "
                "set it to a folder that the gateway owns"
            ) from None
        self._size = 0
        self._has_checkpoint = False
        self._unsynced = False
        self._waiting: deque[bytes] = deque()
        self.pending_bytes = 0
        self.failure: str | None = None

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.open(self.folder.segment_path(self._segment), flags, 0o600)

    @property
    def accepts(self) -> bool:
        """False while the disk refuses records or too many wait for PostgreSQL."""
        return not self._waiting and self.pending_bytes < MAX_SPOOL_BYTES

    def append(self, record: RequestRecord) -> None:
        """Add a record. It survives the process from here on, unless the disk refuses it.

        A refused record waits in memory and is tried again; `accepts` is False until then.
        """
        self._waiting.append(encode(record))
        self.flush()

    def flush(self) -> None:
        """Try to write what waits."""
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
            self.failure = None
        except OSError as error:
            if self.failure is None:
                _log.error("spool_refuses", reason=error.strerror)
            self.failure = error.strerror or type(error).__name__
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                _log.critical("spool_record_lost")

    def _write(self, line: bytes) -> None:
        if not self._has_checkpoint:
            # Records may take the whole disk: without a checkpoint they could never leave it.
            self.folder.advance(Position(self._segment, 0))
            self._has_checkpoint = True
        if self._size >= SEGMENT_BYTES:
            os.fsync(self._file)
            os.close(self._file)
            self._segment += 1
            self._file = self._open()
            self._size = 0
        written = os.write(self._file, line)
        if written < len(line):
            # A full disk took half a line: take it back, so that the next line starts clean.
            os.ftruncate(self._file, self._size)
            raise OSError(28, "no space left on the device")
        self._size += len(line)
        self.pending_bytes += len(line)
        self._unsynced = True

    def waiting(self) -> list[RequestRecord]:
        """Records that the disk has refused so far."""
        return [decode(line) for line in self._waiting]

    def forget_waiting(self) -> None:
        """They are in PostgreSQL now."""
        self._waiting.clear()
        self.failure = None

    def make_room(self, written: Position) -> None:
        """Empty the segment that is being written: its disk is full and PostgreSQL has all of it.

        The checkpoint goes back first: a crash in between makes rows be written again, which
        changes nothing.
        """
        if self.failure is None or not self._size:
            return
        if written != Position(self._segment, self._size):
            return  # something was added meanwhile
        with contextlib.suppress(OSError):
            self.folder.advance(Position(self._segment, 0))
            os.ftruncate(self._file, 0)
            self._size = 0

    def sync(self) -> None:
        """Make what was written survive a power failure. Blocking: call it in a thread."""
        if not self._unsynced:
            return
        self._unsynced = False
        try:
            os.fsync(self._file)
        except OSError as error:
            # The kernel has dropped what it could not write: only the processes' memory has it.
            self._unsynced = True
            _log.error("spool_not_synced", reason=error.strerror)

    def close(self) -> None:
        """End writing. An empty folder is removed, one with records is left for a successor."""
        self.flush()
        self.sync()
        os.close(self._file)
        for _ in self._waiting:
            _log.critical("spool_record_lost")
        if self._waiting or self.folder.read(self.folder.checkpoint(), 1).records:
            self.folder.release()
        else:
            self.folder.remove()

    def orphans(self) -> Iterator[SpoolFolder]:
        """Folders of dead processes, each locked for the caller."""
        for path in sorted(self.root.iterdir()):
            if not path.is_dir() or path.name.startswith(".") or path == self.folder.path:
                continue
            folder = SpoolFolder(path)
            try:
                claimed = folder.claim()
            except OSError:
                continue  # its owner has just removed it
            if claimed:
                yield folder
