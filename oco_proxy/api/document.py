"""What the API's document says beyond what is derived from the handlers: how calls are refused.

Every refusal is a problem (RFC 9457). Which ones an operation knows follows from its shape: all
may lack a token or say a parameter wrong, a body may be too large, an id may be unknown. What else
a handler refuses it says itself, with `responses=problems(409)`. No body takes unknown members.
"""

from collections.abc import Iterator
from typing import Final

from litestar import Litestar
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    PathItem,
    Reference,
    Schema,
)

from oco_proxy.middleware.problems import CONTENT_TYPE

_API: Final = "/api/v1/"
_METHODS: Final = ("get", "put", "post", "patch", "delete")
_PROBLEM: Final = Reference("#/components/schemas/Problem")
_TEXT: Final = Schema(type=OpenAPIType.STRING)
_ERRORS: Final = Schema(
    type=OpenAPIType.ARRAY,
    description="What is wrong with single parameters or members of the body",
    items=Schema(
        type=OpenAPIType.OBJECT,
        properties={"key": _TEXT, "message": _TEXT, "source": _TEXT},
        required=["message"],
    ),
)
_WHY: Final = {
    400: "A parameter or the body is not what it must be; `detail` and `errors` say what",
    401: "There is no valid access token",
    403: "The token's role does not allow it",
    404: "There is nothing of this name",
    409: "It exists already",
    412: "It was changed since it was read",
    413: "The body is too large",
    428: "`If-Match` is needed",
    503: "PostgreSQL does not answer, or what is asked for is not built yet",
}
_MEMBERS: Final = {
    "type": Schema(type=OpenAPIType.STRING, description="A stable urn:oco:problem:CODE"),
    "title": Schema(type=OpenAPIType.STRING, description="The status in words"),
    "status": Schema(type=OpenAPIType.INTEGER, description="The HTTP status"),
    "detail": Schema(type=OpenAPIType.STRING, description="One sentence: what is wrong"),
    "instance": Schema(type=OpenAPIType.STRING, description="The id of the request"),
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """A handler's own refusals, as its `responses`."""
    return {
        status: ResponseSpec(None, generate_examples=False, description=_WHY[status])
        for status in statuses
    }


def answers(status: int, kind: type, description: str) -> dict[int, ResponseSpec]:
    """What a handler answers, when the type that it returns says less than it could."""
    return {status: ResponseSpec(kind, generate_examples=False, description=description)}


def document_problems(app: Litestar) -> None:
    """Write the refusals into an application's document."""
    document = app.openapi_schema
    schemas = document.components.schemas = dict(document.components.schemas or {})
    for name in _bodies(document):
        schemas[name].additional_properties = False
    schemas["Problem"] = Schema(
        type=OpenAPIType.OBJECT,
        title="Problem",
        description="RFC 9457: why a call was refused",
        properties={**_MEMBERS, "errors": _ERRORS},
        required=list(_MEMBERS),
    )
    for path, item in (document.paths or {}).items():
        for operation in _operations(item):
            responses = operation.responses = dict(operation.responses or {})
            told = {int(status) for status in responses if int(status) >= 400}
            for status in sorted(_refusals(path, operation) | told):
                known = responses.get(str(status))
                # What has a content of its own is an answer: /readyz's 503 tells what is missing.
                if status == 400 or not (isinstance(known, OpenAPIResponse) and known.content):
                    responses[str(status)] = _problem(status)


def _bodies(document: OpenAPI) -> set[str]:
    """Names of the schemas that requests have."""
    found = set()
    for item in (document.paths or {}).values():
        for operation in _operations(item):
            for content in getattr(operation.request_body, "content", {}).values():
                if isinstance(content.schema, Reference):
                    found.add(content.schema.ref.rsplit("/", 1)[-1])
    return found


def _operations(item: PathItem) -> Iterator[Operation]:
    for method in _METHODS:
        operation = getattr(item, method)
        if operation is not None:
            yield operation


def _refusals(path: str, operation: Operation) -> set[int]:
    found = {401, 403} if operation.security else set()
    if path.startswith(_API):
        found |= {400, 503}
    if operation.request_body is not None:
        found |= {413}
    if "{" in path:
        found |= {404}
    names = {getattr(parameter, "name", "") for parameter in operation.parameters or ()}
    if "If-Match" in names:
        found |= {412, 428}
    return found


def _problem(status: int) -> OpenAPIResponse:
    return OpenAPIResponse(
        description=_WHY[status],
        content={CONTENT_TYPE: OpenAPIMediaType(schema=_PROBLEM)},
    )
