"""Look up API tokens, for every request of a machine."""

from approvals.models import ApiToken, Producer
from postgresql.row_reader import Joined, RowReader

PRODUCERS = RowReader(Producer)
TOKEN_SQL = Joined(
    """
select {columns}
from approvals_apitoken token
left join approvals_producer producer on producer.id = token.producer_id
where token.prefix = %s
""",
    token=RowReader(ApiToken),
    producer=PRODUCERS,
)


def token_of(prefix: str) -> ApiToken | None:
    """Return the token with this prefix, valid or not, with its producer; one query."""
    for token, producer in TOKEN_SQL.read([prefix]):
        token.producer = producer
        return token  # type: ignore[no-any-return]
    return None
