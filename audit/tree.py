"""The Merkle tree over the places of the log (RFC 6962, 2.1): one hash that stands for all entries before it."""

import hashlib
from collections.abc import Iterable


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the hash of the tree over these leaf hashes in their order; one pass that keeps log2(n) hashes."""
    peaks: list[bytes] = []
    for size, leaf in enumerate(leaf_hashes, start=1):
        node = leaf
        while size % 2 == 0:
            node = _joined(peaks.pop(), node)
            size //= 2
        peaks.append(node)
    if not peaks:
        return hashlib.sha256(b"").digest()
    whole = peaks.pop()
    while peaks:
        whole = _joined(peaks.pop(), whole)
    return whole


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
