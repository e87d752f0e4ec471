"""The first people of an install: superusers from the command line, each with an entry; then two of them go on."""

import json

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from approvals.accounts.services import rights
from approvals.models import User
from approvals.policy.deciders import Rights
from approvals.queries.deciders import rights_of
from approvals.services import second_person
from audit.models import Entry
from tests.cast import actor_for

pytestmark = pytest.mark.django_db


def make(name):
    call_command("createsuperuser", username=name, email=f"{name}@example.org", interactive=False, verbosity=0)
    return User.objects.get(username=name)


def test_a_superuser_from_the_command_line_is_an_entry():
    root = make("root")
    entry = Entry.objects.get()
    assert (entry.type, entry.actor_id, entry.object_id) == (
        "user.changed",
        "command:createsuperuser",
        f"user:{root.pk}",
    )
    assert json.loads(bytes(entry.body))["data"]["new"]["superuser"]


def test_a_refused_one_leaves_nothing(alice):
    with pytest.raises(CommandError):
        make("alice")
    assert not Entry.objects.exists()


@pytest.mark.parametrize("name", ["\u0430lice", "\u0251lice"])  # Cyrillic a, Latin alpha
def test_a_name_that_looks_like_somebody_elses_is_refused(alice, name):
    with pytest.raises(CommandError):
        call_command("createsuperuser", username=name, email="x@example.org", interactive=False, verbosity=0)
    assert User.objects.count() == 1


def test_two_of_them_make_the_first_lead():
    root, rita, dora = make("root"), make("rita"), User.objects.create_user("dora", "dora@example.org")
    asked = Rights(groups=frozenset({"security-leads"}))
    assert rights_of(dora) == Rights()
    waits = rights.split_person(dora, asked)[1]
    by = {"reason": "Our first lead.", "user": root, "actor": actor_for(root), "now": timezone.now()}
    proposal = second_person.change_rights(dora, waits, **by)
    second_person.agree(proposal.pk, user=rita, actor=actor_for(rita), now=timezone.now())
    assert dora.groups.get() == Group.objects.get(name="security-leads")
