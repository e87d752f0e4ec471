"""create_token: prints the token alone, once; refuses in a sentence."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from approvals.accounts.services.tokens import digest_of
from approvals.models import SCOPES, ApiToken, Producer
from audit.models import Entry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["producer", "deployer", "auditor", "monitor"])
def test_a_machine_token_stands_alone_on_standard_output(capsys, kind):
    call_command("create_token", "argo", kind=kind)
    printed = capsys.readouterr().out
    token = ApiToken.objects.get()
    assert printed.count("\n") == 1
    assert digest_of(printed.strip()) == token.digest
    assert (token.kind, set(token.scopes)) == (kind, set(SCOPES[kind]))
    assert [entry.type for entry in Entry.objects.filter(type__startswith="token")] == ["token.issued"]


def test_a_personal_token_belongs_to_its_person_and_expires(capsys, alice):
    call_command("create_token", "laptop", kind="personal", user="ALICE", expires="2099-01-31")
    token = ApiToken.objects.get()
    assert (token.user, token.expires_at, token.scopes) == (alice, datetime(2099, 1, 31, tzinfo=UTC), [])


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("", {"kind": "producer"}, "A name has"),
        ("x" * 101, {"kind": "producer"}, "A name has"),
        ("a\nb", {"kind": "monitor"}, "A name has"),
        ("argo", {"kind": "deployer", "user": "alice"}, "belongs to a machine"),
        ("laptop", {"kind": "personal"}, "belongs to a user"),
        ("laptop", {"kind": "personal", "user": "alice", "scope": ["comments:write"]}, "no scopes of its own"),
        ("argo", {"kind": "deployer", "scope": ["patches:submit"]}, "cannot have the scope"),
        ("argo", {"kind": "deployer", "expires": "soon"}, "--expires takes"),
        ("argo", {"kind": "deployer", "expires": "2001-01-01"}, "in the future"),
        ("laptop", {"kind": "personal", "user": "nobody"}, "There is no user nobody"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(alice, name, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("create_token", name, **options)
    assert not ApiToken.objects.exists()
    assert not Producer.objects.exists()
