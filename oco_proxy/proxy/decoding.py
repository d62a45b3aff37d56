"""Decoding a side copy of a compressed body, fragment by fragment, within a bound."""

import zlib
from typing import Final, Protocol

import brotli
import zstandard

# What metering may hold of one answer, decoded; a larger one is passed on and not read further.
MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
_ZSTD_BITE: Final = 1024


class Decoder(Protocol):
    """Turns fragments of a coded body into fragments of the plain one."""

    def feed(self, data: bytes) -> bytes:
        """Decoded bytes that are known so far; empty once the body turned out to be broken."""
        ...


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data


class _Unreadable:
    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - the protocol's signature
        return b""


class _Chunked:
    """Wraps a library's decompressor: a broken or bloated body ends the reading, never the call."""

    def __init__(self, encoding: str) -> None:
        self._spent = False
        self._produced = 0
        self._first = True
        self._encoding = encoding
        self._gzip_or_deflate = zlib.decompressobj(31 if encoding == "gzip" else 15)
        self._brotli = brotli.Decompressor() if encoding == "br" else None
        self._zstd = (
            zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
            if encoding == "zstd"
            else None
        )

    def feed(self, data: bytes) -> bytes:
        if self._spent or not data:
            return b""
        try:
            plain = self._decode(data)
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self._spent = True
            return b""
        self._produced += len(plain)
        if self._produced > MAX_DECODED_BYTES:
            self._spent = True
            return b""
        return plain

    def _decode(self, data: bytes) -> bytes:
        if self._brotli is not None:
            room = MAX_DECODED_BYTES - self._produced + 1
            return bytes(self._brotli.process(data, output_buffer_limit=room))
        if self._zstd is not None:
            return self._unpack_zstd(self._zstd, data)
        if self._first and self._encoding == "deflate" and data[0] & 0x0F != 8:
            # Some servers send raw deflate without the zlib header that the RFC asks for.
            self._gzip_or_deflate = zlib.decompressobj(-15)
        self._first = False
        room = MAX_DECODED_BYTES - self._produced + 1
        plain = self._gzip_or_deflate.decompress(data, room)
        while self._gzip_or_deflate.unused_data and self._encoding == "gzip":
            rest = self._gzip_or_deflate.unused_data
            self._gzip_or_deflate = zlib.decompressobj(31)
            plain += self._gzip_or_deflate.decompress(rest, max(1, room - len(plain)))
        return plain

    def _unpack_zstd(self, zstd: "zstandard.ZstdDecompressionObj", data: bytes) -> bytes:
        # The library has no output bound: small bites keep what one of them can swell to small.
        plain = bytearray()
        for at in range(0, len(data), _ZSTD_BITE):
            plain += zstd.decompress(data[at : at + _ZSTD_BITE])
            if self._produced + len(plain) > MAX_DECODED_BYTES:
                break
        return bytes(plain)


def decoder_for(content_encoding: str) -> Decoder:
    """The decoder of a Content-Encoding header; one that yields nothing where it is not known."""
    encoding = content_encoding.strip().lower()
    if encoding in {"", "identity"}:
        return _Identity()
    if encoding in {"gzip", "x-gzip"}:
        return _Chunked("gzip")
    if encoding in {"br", "zstd", "deflate"}:
        return _Chunked(encoding)
    return _Unreadable()
