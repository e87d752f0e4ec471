"""API tokens as every request of a machine looks them up."""

from approvals.models import ApiToken, Producer
from audit.statements import prepared

from .plain import Rows, parted

TOKENS, PRODUCERS = Rows(ApiToken), Rows(Producer)


def token_of(prefix: str) -> ApiToken | None:
    """Return the token with this prefix, its producer with it, whether or not it still counts; one query."""
    found = prepared(
        f"select {TOKENS.columns}, {PRODUCERS.columns} from approvals_apitoken "  # noqa: S608  our own names
        "left join approvals_producer on approvals_producer.id = producer_id where prefix = %s",
        [prefix],
    )
    if not found:
        return None
    [row] = found
    token, producer = parted(row, TOKENS, PRODUCERS)
    token.producer = producer
    return token  # type: ignore[no-any-return]
