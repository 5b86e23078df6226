"""Finding the rules of one tier that match a name or an address, fast enough for policies of many thousand lines."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from terok_sandbox.shield.policy.names import parents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.policy.grammar import Rule


class TierIndex:
    """The rules of one tier by exact name, by wildcard base and by network."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._names: dict[str, list[Rule]] = defaultdict(list)
        self._wildcards: dict[str, list[Rule]] = defaultdict(list)
        self._networks: dict[tuple[int, int], dict[int, list[Rule]]] = defaultdict(lambda: defaultdict(list))
        for rule in rules:
            if rule.network is not None:
                key = (rule.network.version, rule.network.prefixlen)
                self._networks[key][int(rule.network.network_address)].append(rule)
            elif rule.name is not None:
                (self._wildcards if rule.wildcard else self._names)[rule.name].append(rule)

    def for_name(self, name: str) -> list[Rule]:
        """Return the rules for `name`, the most specific first."""
        found = list(self._names.get(name, ()))
        if self._wildcards:
            for parent in parents(name):
                found += self._wildcards.get(parent, ())
        return found

    def for_address(self, address: Address) -> list[Rule]:
        """Return the rules whose network holds `address`."""
        number, bits = int(address), address.max_prefixlen
        found: list[Rule] = []
        for (version, length), networks in self._networks.items():
            if version == address.version:
                found += networks.get(number >> (bits - length) << (bits - length), ())
        return found
