"""`/hitl/adapters`: documents of other standards in and out. What is in them is made in `approvals.adapters`."""

from collections.abc import Iterator

from ninja import Router

from approvals.adapters.sarif_documents import ProposedFix, proposed
from approvals.adapters.sarif_fixes import Unconvertible
from approvals.adapters.sarif_log import SarifLog
from approvals.errors import Invalid, Refusal, TooMany
from approvals.services.intake import Submission

from . import answers
from .bulk import MAX_LINES, Work, answer_of, results, submitted
from .caller import ApiRequest, NeedsProducer, bulk_lines

router = Router(tags=["adapters"])


@router.post(
    "/sarif",
    auth=NeedsProducer("patches:submit"),
    response=answers.SarifIntake,
    exclude_unset=True,
    summary="Push the fixes of a SARIF 2.1.0 log",
)
def push_sarif(request: ApiRequest, log: SarifLog) -> answers.SarifIntake:
    """Each entry of `fixes` of a result becomes a patch: a diff of the artifacts' text, which the log must carry in
    `artifacts[].contents`. `properties.hitl` of a run, a result or a fix says what SARIF has no place for. One result
    for each fix, with the reason where it cannot be a patch; a bad one harms no other."""
    caller = request.auth
    assert caller.producer is not None
    fixes = list(proposed(log))
    found = [result for run in log.runs for result in run.results or []]
    if not fixes:
        raise Invalid(f"None of the {len(found):,} results of this log has `fixes`: there is nothing to propose.")
    if len(fixes) > MAX_LINES:
        raise Invalid(f"A log may have {MAX_LINES:,} fixes, not {len(fixes):,}.")
    bulk_lines.take(caller.actor.id, len(fixes))
    taken = results(_read(fixes), caller, caller.producer)
    return answers.SarifIntake(
        fixes=[
            answers.SarifFix(
                run=fix.run, result=fix.result, fix=fix.fix, rule_id=fix.rule_id or None, **answer_of(result)
            )
            for fix, result in zip(fixes, taken, strict=True)
        ],
        results_without_fixes=sum(not result.fixes for result in found),
    )


def _read(fixes: list[ProposedFix]) -> Iterator[Submission | Refusal]:
    """Yield what each fix submits, or why it does not."""
    work, ids = Work(), set[str]()
    for fix in fixes:
        if work.too_much(b""):
            yield TooMany(
                "The fixes before this one were all the work of one request; send it in another.", retry_after=1
            )
            continue
        work.values -= 1
        try:
            submission = submitted(fix.document())
        except Unconvertible as error:
            yield Invalid(f"This fix cannot be a patch: {error}.")
        except Refusal as error:
            yield error
        else:
            if submission.patch_id in ids:
                yield Invalid(
                    f"Two fixes of this log have the patch_id {submission.patch_id}; name another in properties.hitl.",
                    field="patch_id",
                )
                continue
            ids.add(submission.patch_id)
            yield submission
