"""What the API's document does not show is not taken: a mistake is told, not guessed around.

A misspelt filter would otherwise answer with everything, and Litestar takes 0 for false and "7" for
7 in a body.
"""

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException

from oco_proxy.middleware.problems import ProblemError


async def refuse_what_is_not_documented(request: Request[Any, Any, Any]) -> None:
    """Litestar's before-request hook.

    Raises:
        ProblemError: 400, which names a query parameter that the operation does not have.
        ValidationException: 400, for a member of the body that has another type.
    """
    if request.scope["query_string"]:
        _check_parameters(request)
    field = request.route_handler.parsed_data_field
    if field is not None and field.is_subclass_of(msgspec.Struct):
        _check_body(await request.body(), field.annotation)


def _check_parameters(request: Request[Any, Any, Any]) -> None:
    paths = request.app.openapi_schema.paths or {}
    operation = getattr(paths[request.scope["path_template"]], request.method.lower())
    if operation is None:
        return  # OPTIONS
    parameters = operation.parameters or ()
    known = [parameter.name for parameter in parameters if parameter.param_in == "query"]
    for name in request.query_params:
        if name not in known:
            names = ", ".join(known) or "none"
            raise ProblemError(
                400, "unknown_parameter", f"There is no parameter {name!r} here; there are: {names}"
            )


def _check_body(body: bytes, kind: Any) -> None:
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        said = {"message": message, "key": place.removesuffix("`") or "body", "source": "body"}
        raise ValidationException(extra=[said]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # no JSON at all: Litestar tells that when it reads the body
