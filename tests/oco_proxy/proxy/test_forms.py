"""Forms are read as every server reads them, or refused."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.proxy.forms import is_form, read_form
from oco_warehouse.errors import InvalidInputError

KIND = "multipart/form-data; boundary=b"
MODEL = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear\r\n'
END = b"--b--\r\n"
WANTED = frozenset({"model", "n"})


def read(body: bytes, kind: str = KIND) -> dict[str, str]:
    return read_form(body, kind, WANTED)[0]


@pytest.mark.parametrize(
    "kind",
    [KIND, 'Multipart/Form-Data; charset=utf-8; boundary="b"', "multipart/form-data;BOUNDARY=b"],
)
def test_the_boundary_is_the_headers(kind: str) -> None:
    assert is_form(kind)
    # What stands in front of the first part, in another form's clothes, is no part.
    cheap = MODEL.replace(b"dear", b"cheap").replace(b"--b", b"--x")
    assert read(cheap + b"--x--\r\n" + MODEL + END, kind) == {"model": "dear"}
    assert read(b"\r\n" + MODEL + END + b"\r\n", kind) == {"model": "dear"}


def test_names_may_be_written_without_quotes_and_beside_file_names() -> None:
    plain = MODEL.replace(b'"model"', b"model")
    file = b'--b\r\ncontent-disposition: form-data; name="image[]"; filename="name=a.png"\r\n\r\n'
    fields, names = read_form(plain + file + b"\r\n\x00--\n" + b"\r\n" + END, KIND, WANTED)
    assert (fields, names) == ({"model": "dear"}, ["model", "image[]"])


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=x; boundary=b",
        "multipart/form-data; boundary*0=b; boundary=b",
    ],
)
def test_a_form_without_one_boundary_in_its_header_is_refused_clearly(kind: str) -> None:
    with pytest.raises(InvalidInputError, match="boundary in its Content-Type header"):
        read(MODEL + END, kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        MODEL,  # no end
        b"x" + MODEL + END,  # a boundary in the middle of a line
        MODEL + b"--b \r\n" + END,  # more than the boundary on its line
        MODEL.replace(b"\r\n", b"\n") + END,
        MODEL + END + MODEL,  # parts behind the end
        MODEL + MODEL.replace(b"dear", b"cheap") + END,
        MODEL.replace(b"dear", b"d" * 300) + END,
        MODEL.replace(b"dear", b"a\n--b\n") + END,
        MODEL.replace(b'; name="model"', b"") + END,
        MODEL.replace(b'name="model"', b'name="n"; name="model"') + END,
        MODEL.replace(b'name="model"', b"name*=utf-8''model") + END,
        MODEL.replace(b'name="model"', b'name="mod\\el"') + END,
        MODEL.replace(b"form-data;", b"form-data;\r\n ") + END,
        MODEL.replace(b"Content", b"X: a\nContent") + END,
        MODEL.replace(b"\r\n\r\n", b"\r\nContent-Disposition: form-data; name=n\r\n\r\n") + END,
        MODEL.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 5000 + b"\r\n\r\n") + END,
    ],
)
def test_a_form_that_may_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read(body)


VALUES = st.text(max_size=40).filter(lambda text: "--" not in text)


@given(VALUES, st.lists(st.binary(max_size=60), max_size=3))
def test_what_a_client_writes_is_read(model: str, files: list[bytes]) -> None:
    images = [("image[]", ("a.png", data)) for data in files]
    request = httpx.Request("POST", "http://x", data={"model": model}, files=images or [("f", b"")])
    fields, names = read_form(request.read(), request.headers["content-type"], WANTED)
    assert fields == {"model": model.strip()}
    assert names.count("image[]") == len(files)
