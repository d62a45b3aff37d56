"""The one error that a listing reports and does not end with."""

from oco_warehouse.errors import ConfigurationError


class MissingPermission(ConfigurationError):
    """A cloud denies a question.

    Attributes:
        permission: as the cloud calls it, as in ec2:DescribeVolumes.
    """

    def __init__(self, message: str, permission: str) -> None:
        super().__init__(message)
        self.permission = permission
