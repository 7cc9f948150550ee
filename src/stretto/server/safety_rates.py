"""How much each client may ask: a bucket for each, which fills steadily and pays for requests."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

MOST_CLIENTS = 10_000
"""Of how many clients it is known what they have left; the one that was quiet longest is forgotten first."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Lets each client make ``per_minute`` requests a minute, at once if it was quiet before."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._each_second, self._clock = float(per_minute), per_minute / 60, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> int:
        """Pays for a request of a client, and returns 0, or how many seconds it must wait when it cannot pay."""
        bucket = self._bucket(client)
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return math.ceil((1 - bucket.left) / self._each_second)

    def punish(self, client: str) -> None:
        """Takes a second's worth of requests for a wrong token: guessing is slow."""
        bucket = self._bucket(client)
        bucket.left -= max(1.0, self._each_second)

    def _bucket(self, client: str) -> _Bucket:
        now, key = self._clock(), _network(client)
        bucket = self._buckets.get(key)
        if bucket is None:
            while len(self._buckets) >= MOST_CLIENTS:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = _Bucket(self._most, now)
        else:
            self._buckets.move_to_end(key)
            bucket.left = min(self._most, bucket.left + max(0.0, now - bucket.at) * self._each_second)
            bucket.at = now
        return bucket


def _network(client: str) -> str:
    """Returns whom an address belongs to: in IPv6 one person has a network of 2^64 addresses."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    return str(address.ipv4_mapped or int(address) >> 64)
