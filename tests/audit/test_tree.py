"""The Merkle tree of the log against RFC 6962 as it is written: recursive, and by the vectors of its authors' tests."""

import hashlib

import pytest

from audit import tree

# The leaves of certificate-transparency's test data, and the roots of the trees over the first n of them.
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "60" * 16)]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def as_written(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1: split at the largest power of two below n."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + as_written(hashes[:split]) + as_written(hashes[split:])).digest()


def test_no_leaf_and_one_leaf():
    assert tree.root([]).hex() == EMPTY
    assert tree.root([leaf_hash(b"")]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@pytest.mark.parametrize("size", [*range(1, 40), 255, 256, 257, 1000])
def test_the_root_is_as_the_rfc_defines_it(size):
    hashes = [leaf_hash(LEAVES[number % len(LEAVES)] + bytes([number % 251])) for number in range(size)]
    assert tree.root(iter(hashes)) == as_written(hashes)


def test_order_counts():
    one, other = leaf_hash(b"1"), leaf_hash(b"2")
    assert tree.root([one, other]) != tree.root([other, one])
