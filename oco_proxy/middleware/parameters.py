"""A query parameter that an operation does not have is a mistake that its caller wants to know of.

A misspelt filter would otherwise answer with everything.
"""

from typing import Any

from litestar import Request

from oco_proxy.middleware.problems import ProblemError


async def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Litestar's before-request hook: what the API's document shows is what is taken.

    Raises:
        ProblemError: 400, which names the parameter.
    """
    if not request.scope["query_string"]:
        return
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
