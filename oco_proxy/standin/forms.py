"""The fields of a form, read as the standard library reads mail."""

from email.parser import BytesParser
from email.policy import HTTP


def form_fields(body: bytes) -> dict[str, str]:
    """Short fields by name; `pictures` is how many files came along as images."""
    boundary = body.split(b"\r\n", 1)[0][2:].decode("latin-1")
    head = f"content-type: multipart/form-data; boundary={boundary}\r\n\r\n".encode()
    fields: dict[str, str] = {}
    pictures = 0
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename() is None:
            fields[name] = str(part.get_payload()).strip()
        elif name.startswith("image"):
            pictures += 1
    return fields | {"pictures": str(pictures)}
