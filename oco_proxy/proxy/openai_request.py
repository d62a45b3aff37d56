"""What a request in OpenAI's dialect can cost, by its endpoint: words, pictures, sounds.

Pictures and sounds come as JSON or as a form, of which only the names that stand below are read.
Of pictures to make, the worst case is the bound of one for each; of a sound, a whole context
window: its bytes do not say how long it plays.
"""

from typing import Annotated, Final

import msgspec

from oco_proxy.proxy import request_body
from oco_proxy.proxy.forms import is_form, read_form
from oco_proxy.proxy.openai import MEDIA, deployment_of, endpoint_of
from oco_proxy.proxy.request_body import (
    MAX_CHOICES,
    MAX_CONTEXT_TOKENS,
    STORED_INPUT_TOKENS,
    TEMPLATE_TOKENS,
    RequestShape,
    decode_request,
)
from oco_warehouse.errors import InvalidInputError

# Pictures that one request may bring along where it does not show how many they are.
_MAX_PICTURES: Final = 16
_FIELDS: Final = frozenset({"model", "n", "stream"})
_TRUE: Final = frozenset({"true", "1", "on", "yes"})
_PICTURES: Final = frozenset({"image", "mask"})


class _MediaBody(msgspec.Struct):
    model: str = ""
    n: Annotated[int, msgspec.Meta(le=MAX_CHOICES)] | None = None
    stream: bool | None = None
    stream_format: str | None = None


_MEDIA_BODY: Final = msgspec.json.Decoder(_MediaBody)


def read_shape(
    path: str, body: bytes, image_token_bound: int, content_type: str = ""
) -> RequestShape:
    """Read the shape of a request of a metered endpoint.

    Raises:
        InvalidInputError: when the body is not what the endpoint takes. The message names the place
            but quotes nothing of the body.
    """
    endpoint, deployment = endpoint_of(path), deployment_of(path)
    if endpoint not in MEDIA:
        shape = request_body.read_shape(body, image_token_bound, deployment)
        # Vectors are no output to charge for, however long they are.
        return msgspec.structs.replace(shape, output_limit=0) if endpoint == "embeddings" else shape
    # What looks like a form and is not announced as one is read as a form without a boundary.
    as_form = is_form(content_type) or body.startswith(b"--")
    if as_form:
        request, pictures = _read_form(body, content_type)
    else:
        request, pictures = decode_request(_MEDIA_BODY, body), _MAX_PICTURES
    text = 0 if as_form else len(body)
    if endpoint.startswith("images."):
        brings = 0 if endpoint == "images.generations" else pictures
        input_bound = TEMPLATE_TOKENS + brings * image_token_bound
        input_bound += min(len(body), STORED_INPUT_TOKENS) if as_form else text
        output_limit: int | None = max(1, request.n or 1) * image_token_bound
    elif endpoint == "audio.speech":
        input_bound, output_limit = text + TEMPLATE_TOKENS, None
    else:
        input_bound, output_limit = STORED_INPUT_TOKENS, None
    return RequestShape(
        model=deployment or request.model,
        stream=bool(request.stream) or request.stream_format == "sse",
        wants_usage=True,
        has_stream_options=False,
        output_limit=output_limit,
        choices=1,
        service_tier=None,
        input_bound=min(MAX_CONTEXT_TOKENS, input_bound),
        # Speech that comes as sound alone says nothing of what it cost.
        unmeasured="speech that comes as sound alone"
        if endpoint == "audio.speech" and request.stream_format != "sse"
        else "",
    )


def _read_form(body: bytes, content_type: str) -> tuple[_MediaBody, int]:
    """What a form says of its cost, and how many pictures come along in it."""
    fields, names = read_form(body, content_type, _FIELDS)
    count = fields.get("n", "")
    if count and not (count.isascii() and count.isdecimal()):
        raise InvalidInputError("the form's n is no whole number")
    request = _MediaBody(
        model=fields.get("model", ""),
        n=min(int(count), MAX_CHOICES) if count else None,
        stream=fields.get("stream", "").lower() in _TRUE,
    )
    return request, sum(name.partition("[")[0] in _PICTURES for name in names)
