"""Reading what a form (`multipart/form-data`) says of its cost, as every server would read it.

A form that two servers may cut into other parts is refused: the gateway must not see a cheap model
where the provider sees a dear one. The boundary is the header's; it stands nowhere but between
whole parts, and each part has one plain name. Of values only the short ones that are asked for are
read. Pure.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from oco_warehouse.errors import InvalidInputError

MEDIA_TYPE: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(
    r';\s*boundary\s*=\s*(?:"([^"\\]{1,200})"|([^\s";,]{1,200}))', re.IGNORECASE
)
# A parameter in several pieces, or in another alphabet.
_EXTENDED: Final = re.compile(r";\s*(?:boundary|name)\s*\*", re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"\r\ncontent-disposition\s*:([^\r\n]*)", re.IGNORECASE)
_NAME: Final = re.compile(r';\s*name\s*=\s*(?:"([^"\\]*)"|([^\s";]+))', re.IGNORECASE)
# A line that goes on in the next one, or that only some servers take for one.
_ODD_LINE: Final = re.compile(rb"\r\n[ \t]|\r(?!\n)|(?<!\r)\n|\0")
_MAX_HEADERS: Final = 4096
_MAX_FIELD: Final = 256


def is_form(content_type: str) -> bool:
    """Whether a Content-Type header announces a form."""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def read_form(
    body: bytes, content_type: str, wanted: AbstractSet[str]
) -> tuple[dict[str, str], list[str]]:
    """(values of the wanted fields that there are, names of all parts in their order).

    Raises:
        InvalidInputError: when another server may read the form in another way. The message quotes
            nothing of it.
    """
    fields: dict[str, str] = {}
    names: list[str] = []
    for head, value in _parts(body, _mark(content_type)):
        name = _name(head)
        names.append(name)
        if name not in wanted:
            continue
        if name in fields or len(value) > _MAX_FIELD:
            raise InvalidInputError(f"the form's {name} is there twice, or is too long")
        fields[name] = value.decode("utf-8", "replace").strip()
    return fields, names


def _mark(content_type: str) -> bytes:
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1 or _EXTENDED.search(content_type):
        raise InvalidInputError(
            f"a form needs one boundary in its Content-Type header: {MEDIA_TYPE}; boundary=…"
        )
    quoted, plain = found[0]
    return b"--" + str(quoted or plain).encode("latin-1")


def _parts(body: bytes, mark: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(headers, value) of each part."""
    at = body.find(mark)
    if at < 0 or body[max(0, at - 2) : at] not in {b"", b"\r\n"}:
        raise _broken()
    while True:
        at += len(mark)
        following = body.find(mark, at)
        if body.startswith(b"--", at) and following < 0:
            return
        start = body.find(b"\r\n\r\n", at, at + _MAX_HEADERS)
        if (
            not body.startswith(b"\r\n", at)
            or start < 0
            or start + 4 > following - 2
            or body[following - 2 : following] != b"\r\n"
        ):
            raise _broken()
        yield body[at:start], body[start + 4 : following - 2]
        at = following


def _name(head: bytes) -> str:
    said = _DISPOSITION.findall(head)
    if len(said) != 1 or _ODD_LINE.search(head):
        raise _broken()
    disposition = said[0].decode("latin-1")
    found = _NAME.findall(disposition)
    if len(found) != 1 or _EXTENDED.search(disposition):
        raise _broken()
    quoted, plain = found[0]
    return str(quoted or plain)


def _broken() -> InvalidInputError:
    return InvalidInputError(
        "the form is not made of whole parts, each with one plain name, between the boundary that"
        " its Content-Type header names"
    )
