"""Whose state is too old to judge: resources that no listing has seen for days, gone or not.

Listings that are denied or fail end nothing, so that what they had stays as it last was. Accounts
that are not listed at all, as the sample's, have no listing to fail and are judged as they are.
"""

from datetime import datetime, timedelta
from typing import Final

UNSEEN_AFTER: Final = timedelta(days=3)
# Of `oco.resources AS resource`; `unseen_since` is a parameter.
UNSEEN: Final = """(
    resource.deleted_at IS NULL AND resource.last_seen_at < %(unseen_since)s
    AND EXISTS (
        SELECT FROM oco.inventory_listings AS listing
        WHERE listing.provider = resource.provider AND listing.account_id = resource.account_id
    )
)"""


def unseen_since(now: datetime) -> datetime:
    """A resource that was last seen before this is judged no more."""
    return now - UNSEEN_AFTER
