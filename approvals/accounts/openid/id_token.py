"""The ID token: who signed it, for whom, when, and in answer to what (OpenID Connect Core 1.0, 3.1.3.7)."""

import hmac
from collections.abc import Callable
from typing import Any

import jwt
from allauth.socialaccount import app_settings
from django.conf import settings
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from .faults import ProviderFault, unbelievable

LEEWAY = 30  # seconds that clocks may differ
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
# Asymmetric only: with the others whoever knows the client's secret, or the public key, could sign.
FAMILIES = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
ALGORITHMS = {algorithm: family for family, names in FAMILIES.items() for algorithm in names}
WHY: list[tuple[type[PyJWTError], str]] = [
    (ExpiredSignatureError, "is out of date"),
    (ImmatureSignatureError, "is dated in the future"),
    (InvalidIssuerError, "comes from another provider"),
    (InvalidAudienceError, "is meant for another application"),
    (InvalidAlgorithmError, "is signed in a way that is not accepted here"),
    (InvalidSignatureError, "has a wrong signature"),
    (MissingRequiredClaimError, "lacks something it must say"),
]
Keys = Callable[[bool], list[dict[str, Any]]]


def verified(raw: str, audience: str, keys: Keys) -> dict[str, Any]:
    """Return the claims of an ID token of the configured provider. Raise ProviderFault unless all of it holds.

    `keys` returns the provider's keys; it is called with True, to ask anew, where they lack the one that is named.
    The nonce is required here and compared by `answers`, which knows the sign-in.
    """
    try:
        header = jwt.get_unverified_header(raw)
        claims: dict[str, Any] = jwt.decode(
            raw,
            _key(header, keys),
            algorithms=list(ALGORITHMS),
            audience=audience,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": REQUIRED, "enforce_minimum_key_length": True},
        )
    except PyJWTError as error:
        why = next((words for kind, words in WHY if isinstance(error, kind)), "is no ID token")
        raise unbelievable(why, f"the ID token {why}: {type(error).__name__}") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise unbelievable("is no ID token", f"the ID token cannot be read: {type(error).__name__}") from error
    if "azp" in claims and claims["azp"] != audience or "azp" not in claims and _several(claims["aud"]):
        raise unbelievable("is meant for another application", "the ID token is for several, and not ours by azp")
    if not is_plain(claims["sub"]) or len(claims["sub"]) > app_settings.UID_MAX_LENGTH:
        raise unbelievable("names nobody", "the ID token's sub is empty, too long or not printable")
    return claims


def answers(claims: dict[str, Any], nonce: Any, asked_at: Any = None) -> None:
    """Raise ProviderFault unless the claims answer the sign-in that this session began with this nonce, and, where the
    provider was told at `asked_at` (seconds) to ask its person again, it did."""
    said = claims.get("nonce")
    if not (is_plain(nonce) and is_plain(said) and hmac.compare_digest(str(said).encode(), str(nonce).encode())):
        raise unbelievable("answers another sign-in than yours", "the ID token's nonce is not that of the session")
    if asked_at is None:
        return
    at = asked_person_at(claims)
    if at is None or at < asked_at - LEEWAY:
        raise ProviderFault(
            "Your provider let you through without asking again who you are, so it proves nothing new. Nothing was "
            "changed. Try again, or ask an administrator.",
            "the provider was told to ask again (prompt=login, max_age=0), and its auth_time is "
            + ("missing" if at is None else "from before"),
        )


def asked_person_at(claims: dict[str, Any]) -> float | None:
    """Return when the provider last asked this person who they are, in seconds; None where it does not say."""
    at = claims.get("auth_time")
    return at if isinstance(at, int | float) and not isinstance(at, bool) and 0 <= at < 1e11 else None


def asked_for_two_factors(claims: dict[str, Any]) -> bool:
    """Return whether the provider says that it asked for several factors: `mfa` in `amr` (RFC 8176), or a context that
    this install demands in `acr`."""
    methods = claims.get("amr")
    return "mfa" in (methods if isinstance(methods, list) else []) or bool(settings.OIDC_ACR_VALUES)


def demand_context(claims: dict[str, Any]) -> None:
    """Raise ProviderFault unless the provider signed the person in as this install demands (`acr`)."""
    if settings.OIDC_ACR_VALUES and claims.get("acr") not in settings.OIDC_ACR_VALUES:
        raise ProviderFault(
            "Your provider signed you in with less than this install asks of it. Ask an administrator.",
            "the ID token's acr is none of OIDC_ACR_VALUES",
        )


def is_plain(value: Any) -> bool:
    """Return whether this is text that may be kept and shown."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _several(audiences: Any) -> bool:
    return isinstance(audiences, list) and len(audiences) > 1


def _key(header: dict[str, Any], keys: Keys) -> jwt.PyJWK:
    """Return the key that a token names, for the algorithm it names. Raise PyJWTError or ProviderFault."""
    algorithm, name = header.get("alg"), header.get("kid")
    family = ALGORITHMS.get(algorithm) if isinstance(algorithm, str) else None
    if family is None:
        raise InvalidAlgorithmError("no accepted algorithm")
    for again in (False, True):
        fitting = [
            key
            for key in keys(again)
            if key.get("kty") == family and key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
        ]
        named = [key for key in fitting if key.get("kid") == name] if name is not None else fitting
        if len(named) == 1:
            return jwt.PyJWK(named[0], algorithm)
    raise unbelievable("is signed by a key that the provider does not list")
