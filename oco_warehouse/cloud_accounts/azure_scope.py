"""Which costs an account of the Query API asks for: a scope of Azure, and what follows from it.

Source: Microsoft's "Understand and work with Cost Management scopes".
"""

import re
from dataclasses import dataclass
from typing import Final

from oco_warehouse.errors import InvalidInputError

_GUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_NAME: Final = r"[\w.:() -]+"
_BILLING: Final = rf"providers/Microsoft\.Billing/billingAccounts/(?P<account>{_NAME})"
_FORMS: Final = (
    rf"subscriptions/(?P<subscription>{_GUID})(?:/resourceGroups/{_NAME})?",
    rf"{_BILLING}(?:/(?:departments|enrollmentAccounts|customers)/{_NAME})?",
    rf"{_BILLING}/billingProfiles/(?P<profile>{_NAME})(?:/invoiceSections/{_NAME})?",
    rf"providers/Microsoft\.Management/managementGroups/(?P<group>{_NAME})",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope.

    Attributes:
        path: as Azure writes it, with its first slash and without one at its end.
        billing_account: whose bill it is, as Azure's exports name it: the billing profile, the
            billing account, or where there is neither the subscription or management group.
        subscription: the one that everything is of, if it is one.
    """

    path: str
    billing_account: str
    subscription: str | None

    @property
    def words(self) -> tuple[str, ...]:
        """Its path, from the whole to the part, to compare it with others."""
        return tuple(self.path.lower().strip("/").split("/"))

    @property
    def is_billing(self) -> bool:
        """Whether roles on it are given in Cost Management + Billing and not by `az role`."""
        return "/microsoft.billing/" in self.path.lower()


def has_resources(path: str) -> bool:
    """Whether costs of a scope can be asked for by resource: below a subscription only."""
    return path.lower().strip("/").startswith("subscriptions/")


def read_scope(text: str) -> Scope:
    """The scope of that name; the slash at its beginning may be left out.

    Raises:
        InvalidInputError: when it is none.
    """
    path = text.strip().strip("/")
    for form in _FORMS:
        found = re.fullmatch(form, path, re.IGNORECASE)
        if found is not None:
            parts: dict[str, str] = {name: part for name, part in found.groupdict().items() if part}
            subscription = parts["subscription"].lower() if "subscription" in parts else None
            names = (parts.get("profile"), parts.get("account"), subscription, parts.get("group"))
            return Scope(f"/{path}", next(filter(None, names)), subscription)
    raise InvalidInputError(
        f"the scope {text!r} is none of Azure's: write /subscriptions/ID, "
        "/subscriptions/ID/resourceGroups/NAME, "
        "/providers/Microsoft.Billing/billingAccounts/ID (with /billingProfiles/ID behind it for "
        "a customer agreement) or /providers/Microsoft.Management/managementGroups/ID"
    )
