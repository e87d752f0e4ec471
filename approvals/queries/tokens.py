"""Look up API tokens, for every request of a machine."""

from approvals.models import ApiToken, Producer
from audit.statements import query_prepared

from .row_reader import RowReader, split_row

TOKENS, PRODUCERS = RowReader(ApiToken), RowReader(Producer)


def token_of(prefix: str) -> ApiToken | None:
    """Return the token with this prefix, valid or not, with its producer; one query."""
    rows = query_prepared(
        f"select {TOKENS.columns}, {PRODUCERS.columns} from approvals_apitoken "  # noqa: S608  our own names
        "left join approvals_producer on approvals_producer.id = producer_id where prefix = %s",
        [prefix],
    )
    if not rows:
        return None
    [row] = rows
    token, producer = split_row(row, TOKENS, PRODUCERS)
    token.producer = producer
    return token  # type: ignore[no-any-return]
