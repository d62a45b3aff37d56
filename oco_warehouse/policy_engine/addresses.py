"""Addresses and networks as policies compare them: a network contains networks, too."""

import ipaddress
from collections.abc import Callable
from typing import Any


class Network(ipaddress.IPv4Network):
    """A network of IPv4 that also tells whether another network lies in it."""

    def __contains__(self, other: Any) -> bool:
        if other is None:
            return False
        if isinstance(other, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return self.supernet_of(other)  # type: ignore[arg-type]
        return super().__contains__(other)


class Ranges:
    """Addresses and networks; it contains what one of them is or contains."""

    def __init__(self, members: list[Any]) -> None:
        self._networks = [one for one in members if isinstance(one, Network)]
        self._addresses = [one for one in members if isinstance(one, ipaddress.IPv4Address)]

    def __contains__(self, other: Any) -> bool:
        if other is None:
            return False
        within = [other in network for network in self._networks]
        return any(within) or any(other == address for address in self._addresses)


def read_address(value: Any) -> Any:
    """A network for text with a slash, else an address, `Ranges` for a list; None for other text.

    Raises:
        TypeError: for what can hold no slash, such as a number or None.
    """
    if isinstance(value, list):
        return Ranges([read_address(one) for one in value])
    kind = Network if "/" in value else ipaddress.ip_address
    try:
        return kind(str(value))
    except ValueError:
        return None


def is_address_in_network(wanted: Any, found: Any) -> bool:
    """Whether a filter names an address and a resource has a network."""
    is_address = isinstance(wanted, ipaddress.IPv4Address | ipaddress.IPv6Address)
    return is_address and isinstance(found, Network)


def network_test(op: str | None, wanted: Any) -> Callable[[ipaddress.IPv4Address], bool] | None:
    """Whether an address is, or is not, in one network: what most filters ask, without detours."""
    if op not in {"in", "ni", "not-in"} or not isinstance(wanted, Network):
        return None
    mask, network, expected = int(wanted.netmask), int(wanted.network_address), op == "in"
    return lambda address: (int(address) & mask == network) is expected
