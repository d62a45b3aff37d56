"""The exception tree of the platform. Every message is one line that a person can act on.

OpenCloudOpsError
├── ConfigurationError      a setting is missing or wrong; nothing was started
├── WarehouseError          the warehouse cannot be used
│   ├── WarehouseUnreachable    no connection; trying again later may help
│   └── MigrationError          the schema does not fit this code
├── EmbeddedServerError     the PostgreSQL or Redis of our own did not start or stop
├── PortOccupiedError       another process listens where we should
├── InvalidInputError       what a user or a file gave is wrong; nothing was written
│   ├── InvalidFileError        the same, naming the file
│   │   └── EmptyFileError          it has a header and no rows
│   └── InvalidRuleError        a policy's rule is not of the grammar; `where` is the path in it
├── PolicyRunError          a policy cannot be judged on the resources that there are
├── NotFoundError           a named thing does not exist
├── ConflictError           the thing exists already or changed meanwhile
└── UpstreamError           another system (provider, cluster, object store) failed
    ├── UpstreamThrottled       it asked us to slow down; `retry_after` seconds if it said so
    └── UpstreamUnavailable     it did not answer
"""


class OpenCloudOpsError(Exception):
    """Root of every error that the platform raises on purpose."""


class ConfigurationError(OpenCloudOpsError):
    """A setting is missing or wrong."""


class WarehouseError(OpenCloudOpsError):
    """The warehouse cannot be used."""


class WarehouseUnreachable(WarehouseError):
    """No connection to PostgreSQL could be made."""


class MigrationError(WarehouseError):
    """The schema in the database does not fit this code."""


class EmbeddedServerError(OpenCloudOpsError):
    """The embedded PostgreSQL or Redis did not start or stop."""


class PortOccupiedError(OpenCloudOpsError):
    """Another process listens on a port that a service of ours needs."""


class InvalidInputError(OpenCloudOpsError):
    """What a user or a file gave is wrong; nothing was written."""


class InvalidFileError(InvalidInputError):
    """A file cannot be read as what it claims to be; the message names the file."""


class EmptyFileError(InvalidFileError):
    """A file has a header and no rows: as one of several it is no mistake."""


class InvalidRuleError(InvalidInputError):
    """A policy's rule is outside the grammar.

    Attributes:
        where: the path of what is wrong inside the JSON, as in `filters[2].or[0].op`.
    """

    def __init__(self, where: str, said: str) -> None:
        super().__init__(f"{where}: {said}")
        self.where = where


class PolicyRunError(OpenCloudOpsError):
    """A policy cannot be judged on the resources that there are; others still can."""


class NotFoundError(OpenCloudOpsError):
    """A named thing does not exist."""


class ConflictError(OpenCloudOpsError):
    """The thing exists already, or it changed since it was read."""


class UpstreamError(OpenCloudOpsError):
    """Another system (provider, cluster, object store) failed."""


class UpstreamThrottled(UpstreamError):
    """Another system asked us to slow down.

    Attributes:
        retry_after: seconds to wait, or None when it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamUnavailable(UpstreamError):
    """Another system did not answer in time."""
