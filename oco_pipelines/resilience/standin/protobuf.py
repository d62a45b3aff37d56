"""As much of Kubernetes' protobuf as `kubectl create namespace` and its like send. Pure.

Clients send built-in kinds in it; answers may be JSON, which every client reads.
"""

import base64
from collections.abc import Iterator
from typing import Final

from oco_pipelines.resilience.standin.objects import ApiError
from oco_pipelines.resilience.standin.resources import Json

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_METADATA: Final = {1: "name", 2: "generateName", 3: "namespace"}
_MAPS: Final = {11: "labels", 12: "annotations"}
# What the second field of a kind is: a map of texts or of bytes; None where it is not read.
_SECOND: Final[dict[str, str | None]] = {
    "Namespace": None,
    "ServiceAccount": None,
    "ConfigMap": "text",
    "Secret": "bytes",
}


def decode(raw: bytes) -> Json:
    """An object of one of the kinds that are served so.

    Raises:
        ApiError: 415 for another kind, 400 for what is no such message.
    """
    if not raw.startswith(_MAGIC):
        raise ApiError(400, "BadRequest", "body is not Kubernetes protobuf")
    try:
        envelope = dict(_fields(raw[len(_MAGIC) :]))
        what = dict(_fields(envelope[1]))
        kind, api_version = what[2].decode(), what[1].decode()
        if kind not in _SECOND:
            raise ApiError(415, "UnsupportedMediaType", f"{kind} is served as JSON only")
        body: Json = {"apiVersion": api_version, "kind": kind, "metadata": {}}
        for number, value in _fields(envelope[2]):
            if number == 1:
                body["metadata"] = _metadata(value)
            elif number == 2 and _SECOND[kind] is not None:
                key, held = _entry(value)
                text = held.decode() if _SECOND[kind] == "text" else base64.b64encode(held).decode()
                body.setdefault("data", {})[key] = text
            elif number == 3 and kind == "Secret":
                body["type"] = value.decode()
    except (KeyError, IndexError, UnicodeDecodeError):
        raise ApiError(400, "BadRequest", "body is not Kubernetes protobuf") from None
    return body


def _metadata(raw: bytes) -> Json:
    found: Json = {}
    for number, value in _fields(raw):
        if number in _METADATA and value:
            found[_METADATA[number]] = value.decode()
        elif number in _MAPS:
            key, held = _entry(value)
            found.setdefault(_MAPS[number], {})[key] = held.decode()
    return found


def _entry(raw: bytes) -> tuple[str, bytes]:
    parts = dict(_fields(raw))
    return parts[1].decode(), parts.get(2, b"")


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each field that has a length; figures are passed over."""
    at = 0
    while at < len(raw):
        tag, at = _figure(raw, at)
        kind = tag & 7
        if kind == 0:
            _, at = _figure(raw, at)
        elif kind == 2:
            length, at = _figure(raw, at)
            if at + length > len(raw):
                raise IndexError("cut short")
            yield tag >> 3, raw[at : at + length]
            at += length
        else:
            at += {1: 8, 5: 4}[kind]


def _figure(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
