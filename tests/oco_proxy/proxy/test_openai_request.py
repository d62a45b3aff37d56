"""What a request for pictures or sounds can cost, read from JSON and from forms of any shape."""

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.proxy.openai import MEDIA
from oco_proxy.proxy.openai_request import read_shape
from oco_warehouse.errors import InvalidInputError

PIECES = st.sampled_from(
    [
        b"--b",
        b"\r\n",
        b"\r\n\r\n",
        b"--",
        b'Content-Disposition: form-data; name="model"',
        b'name="n',
    ]
)


BOUNDARY = "multipart/form-data; boundary=b"


def form(fields: dict[str, str], images: int = 0) -> tuple[bytes, str]:
    """(body, Content-Type) of a form as the SDK's client writes it."""
    files = [("image[]", (f"{n}.png", b"\x89PNG\r\n\r\n--" * 9)) for n in range(images)]
    request = httpx.Request("POST", "http://x", data=fields, files=files or [("f", ("f", b""))])
    return request.read(), request.headers["content-type"]


@given(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=60),
    st.integers(1, 10),
    st.integers(0, 4),
)
def test_a_form_says_its_model_count_and_pictures(model: str, count: int, images: int) -> None:
    body, kind = form({"model": model, "n": str(count), "prompt": "x"}, images)
    shape = read_shape("v1/images/edits", body, 1_000_000, kind)
    assert (shape.model, shape.output_limit) == (model.strip(), count * 1_000_000)
    assert shape.input_bound >= min(2_000_000, images * 1_000_000)


@given(st.lists(PIECES | st.binary(max_size=20)).map(b"".join), st.sampled_from(sorted(MEDIA)))
def test_any_bytes_are_read_or_refused(body: bytes, endpoint: str) -> None:
    for kind in ("", BOUNDARY):
        with suppress(InvalidInputError):
            shape = read_shape("v1/" + endpoint.replace(".", "/"), body, 1000, kind)
            assert shape.input_bound >= 0


def test_each_picture_to_make_and_each_that_comes_along_is_in_the_worst_case() -> None:
    body, kind = form({"model": "gpt-image-1", "n": "3", "prompt": "x"}, images=2)
    shape = read_shape("v1/images/edits", body, 5000, kind)
    assert shape.output_limit == 3 * 5000
    assert 2 * 5000 < shape.input_bound < 2 * 5000 + len(body) + 1000


@pytest.mark.parametrize(
    ("said", "unmeasured"), [("", True), (',"stream_format":"sse"', False), (',"n":1', True)]
)
def test_speech_is_measured_only_as_a_stream_of_events(said: str, unmeasured: bool) -> None:
    body = b'{"model":"tts-1","input":"hello"%s}' % said.encode()
    assert bool(read_shape("v1/audio/speech", body, 1000).unmeasured) is unmeasured


def test_vectors_are_no_output() -> None:
    shape = read_shape("v1/embeddings", b'{"model":"m","input":["a","b"]}', 1000)
    assert shape.output_limit == 0
