"""90 days of generated work: what was pushed, decided, discussed and taken back. Seeded, so the same at every load."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from . import hours
from .cases import Case, earlier_attempts, new_case, rival
from .fixes import CANCELLATIONS, CHANGES, ESCALATIONS, PRAISE, REJECTIONS, REMARKS, REVOCATIONS, ROLLED_BACK
from .gates import PAST_GATE
from .people import BUMPER, CI, FIXER, FORGE, INES, LEADS, REVIEWERS, ROLLOUT, DemoPerson
from .steps import Arrival, Asking, Cancellation, Deployment, Escalation, Remark, Revocation, Step, Verdict

SEED = 20_241_128
BATCHES = 178  # with what follows from them, some 350 revisions
SECOND_MODEL = timedelta(days=35)  # the second model scores most of what came in this long before now
SETTLED = timedelta(days=13)  # only what is older gets a long story, so that every story ends before now
FRESH = timedelta(days=4)  # what is younger is answered at once, or the weekend would push some beyond now
PUSHES = {FORGE: 45, BUMPER: 30, FIXER: 25}
REVIEWS = dict(zip((*REVIEWERS, *LEADS), (36, 30, 20, 9, 5), strict=True))
APPROVES_GOOD, APPROVES_BAD = 0.95, 0.22
CATEGORIES = {
    "incomplete": 30,
    "wrong_root_cause": 18,
    "breaks_behaviour": 17,
    "cannot_verify": 14,
    "unsafe_side_effect": 8,
    "out_of_scope": 7,
    "style": 4,
    "other": 2,
}


def history(now: datetime) -> list[Step]:
    """Return every step of the 90 days before `now`, oldest first."""
    steps: list[Step] = []
    pushed: list[Case] = []
    for number, at in enumerate(hours.arrivals(_dice("arrivals"), now, BATCHES)):
        rng = _dice(f"batch {number}")
        cases = _batch(rng, at, pushed)
        pushed += cases
        steps.append(_arrival(rng, cases, 1, at, now))
        for case in cases:
            steps += _life(rng, case, 1, at, now)
    for number, case in enumerate(earlier_attempts(FIXER)):
        rng = _dice(f"attempt {number}")
        at = hours.next_morning(now - timedelta(days=14 + 4 * number)) + hours.wait(rng)
        steps += [_arrival(rng, [case], 1, at, now), _refusal(rng, case, at, at + hours.wait(rng), REVIEWERS[number])]
    steps += _gate(_dice("gate"), now)
    return sorted(steps, key=lambda step: step.at)


def _gate(rng: Random, now: datetime) -> list[Step]:
    """Return how a workflow asked before the last version went to production, and who let it."""
    at = hours.next_morning(now - timedelta(days=8)) + hours.wait(rng)
    answer = at + hours.wait(rng)
    verdict = Verdict(
        at=answer,
        patch=(CI.name, PAST_GATE.patch_id),
        who=INES.username,
        verdict="approve",
        text="Two days on staging without a new kind of error, and nothing to migrate.",
        seconds_open=0.6 * (answer - at).total_seconds(),
    )
    return [Asking(at=at, producer=CI.name, gate=PAST_GATE), verdict]


def _dice(name: str) -> Random:
    """Return the generator of one part of the story, so that the date moves when things happen and hardly what."""
    return Random(f"{SEED} {name}")  # noqa: S311  seeded on purpose: two people must be able to talk about it


def _batch(rng: Random, at: datetime, pushed: list[Case]) -> list[Case]:
    """Return what one producer pushes at once; now and then a rival of what the other one sent lately."""
    producer = rng.choices(list(PUSHES), list(PUSHES.values()))[0]
    size = rng.choices((1, 2, 3, 4), (48, 30, 15, 7))[0]
    cases = [new_case(rng, producer, len(pushed) + number, at) for number in range(size)]
    mine = {case.cve for case in pushed if case.producer == producer.name}
    flaws = [case for case in pushed[-12:] if case.producer != BUMPER.name and case.cve not in mine]
    if flaws and producer != BUMPER and rng.random() < 0.3:
        cases[0] = rival(rng, rng.choice(flaws), producer)
    return cases


def _arrival(rng: Random, cases: list[Case], revision: int, at: datetime, now: datetime) -> Arrival:
    model = rng.choices((1, 2), (20, 80))[0] if at > now - SECOND_MODEL else 1
    documents = tuple(case.document(rng, revision, model) for case in cases)
    return Arrival(at=at, producer=cases[0].producer, documents=documents)


def _life(rng: Random, case: Case, revision: int, at: datetime, now: datetime) -> Iterator[Step]:
    """Yield what happens to a revision after it arrived, and to those that follow from it."""
    chance = rng.random()
    first_of_an_old_one = revision == 1 and at < now - SETTLED
    if first_of_an_old_one and chance < 0.04:
        yield Cancellation(at=at + hours.wait(rng), patch=case.key, who=case.producer, text=rng.choice(CANCELLATIONS))
    elif first_of_an_old_one and chance < 0.09:
        yield from _next_revision(rng, case, at + timedelta(seconds=rng.uniform(40, 240)), now)
    else:
        yield from _decided(rng, case, revision, at, now)


def _next_revision(rng: Random, case: Case, at: datetime, now: datetime) -> Iterator[Step]:
    better = case.reworked(rng)
    yield _arrival(rng, [better], 2, at, now)
    yield from _life(rng, better, 2, at, now)


def _decided(rng: Random, case: Case, revision: int, at: datetime, now: datetime) -> Iterator[Step]:
    urgent = case.severity in {"critical", "high"}
    old = at < now - SETTLED
    answer = hours.decided_at(rng, at, urgent or at > now - FRESH)
    who = _reviewer(rng, case)
    if rng.random() < 0.1:
        yield Remark(
            at=_between(rng, at, answer), patch=case.key, who=_reviewer(rng, case).username, text=rng.choice(REMARKS)
        )
    if urgent and old and rng.random() < 0.07:
        yield Escalation(at=answer, patch=case.key, who=who.username, text=rng.choice(ESCALATIONS))
        who, answer = rng.choice(LEADS), answer + hours.wait(rng)
    if rng.random() < (APPROVES_GOOD if case.good else APPROVES_BAD):
        yield from _approved(rng, case, at, answer, who, old, now)
    elif revision == 1 and old and rng.random() < 0.35:
        yield _verdict(rng, case, at, answer, who, "request_changes", text=rng.choice(CHANGES))
        if rng.random() < 0.75:
            yield from _next_revision(rng, case, answer + timedelta(hours=rng.uniform(1, 20)), now)
    else:
        yield _refusal(rng, case, at, answer, who)


def _approved(
    rng: Random, case: Case, at: datetime, answer: datetime, who: DemoPerson, old: bool, now: datetime
) -> Iterator[Step]:
    """Yield the approvals a patch needs, and seldom the end of its approval: more often when it was no fix."""
    praise = rng.choice(PRAISE) if rng.random() < 0.15 else ""
    yield _verdict(rng, case, at, answer, who, "approve", text=praise)
    if case.severity == "critical":
        second = rng.choice([lead for lead in LEADS if lead != who] if who in LEADS else LEADS)
        answer += hours.wait(rng)
        yield _verdict(rng, case, at, answer, second, "approve")
    yield from _deployed(case, answer, now)
    if old and rng.random() < (0.008 if case.good else 0.75):
        found = hours.next_morning(answer + timedelta(days=rng.uniform(0, 5))) + hours.wait(rng)
        yield Revocation(at=found, patch=case.key, who=rng.choice(LEADS).username, text=rng.choice(REVOCATIONS))


def _deployed(case: Case, approved: datetime, now: datetime) -> Iterator[Step]:
    """Yield what the deployer does with an approved patch: most within the hour, a few never, bad ones come back."""
    rng = _dice(f"deployment {case.key}")
    at = approved + timedelta(minutes=rng.lognormvariate(3, 0.8))
    if rng.random() < 0.93 and at < now:
        result = "deployed" if rng.random() < 0.98 else "failed"
        yield Deployment(at=at, patch=case.key, who=ROLLOUT, result=result)
        back = at + timedelta(hours=rng.uniform(1, 30))
        if result == "deployed" and rng.random() < (0.02 if case.good else 0.5) and back < now:
            yield Deployment(at=back, patch=case.key, who=ROLLOUT, result="rolled_back", text=rng.choice(ROLLED_BACK))


def _refusal(rng: Random, case: Case, at: datetime, answer: datetime, who: DemoPerson) -> Verdict:
    category = rng.choices(list(CATEGORIES), list(CATEGORIES.values()))[0]
    return _verdict(rng, case, at, answer, who, "reject", text=rng.choice(REJECTIONS[category]), category=category)


def _verdict(
    rng: Random,
    case: Case,
    at: datetime,
    answer: datetime,
    who: DemoPerson,
    verdict: str,
    *,
    text: str = "",
    category: str = "",
) -> Verdict:
    reading = rng.lognormvariate(math.log(100), 0.7)  # seconds; nobody reads longer than the patch has been there
    return Verdict(
        at=answer,
        patch=case.key,
        who=who.username,
        verdict=verdict,
        text=text,
        category=category,
        seconds_open=min(reading, 0.8 * (answer - at).total_seconds()),
        on_card=verdict == "approve" and case.severity == "low" and rng.random() < 0.4,
    )


def _reviewer(rng: Random, case: Case) -> DemoPerson:
    """Return somebody who may decide: nobody who is named on the patch."""
    people = {person: weight for person, weight in REVIEWS.items() if person.email not in case.named}
    return rng.choices(list(people), list(people.values()))[0]


def _between(rng: Random, start: datetime, end: datetime) -> datetime:
    return start + (end - start) * rng.uniform(0.1, 0.9)
