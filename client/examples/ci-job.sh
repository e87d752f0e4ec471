#!/usr/bin/env bash
# A job of any CI: ask people before a deployment, and branch on what comes of it.
# Needs HITL_URL, and HITL_TOKEN_FILE with the token of a producer; the ids name this run of this job.
set -uo pipefail

hitl-gate approve-gate "Deploy ${SERVICE:?} ${VERSION:?} to production" \
    --workflow "${WORKFLOW:?}" --job deploy --execution "${RUN_ID:?}" \
    --context "image=registry.example.org/$SERVICE:$VERSION" \
    ${STARTED_BY:+--triggered-by "$STARTED_BY"} \
    --for "${PATIENCE:-1h}"
case $? in
    0) echo "Approved: deploying $SERVICE $VERSION." ;;
    1) echo "People refused. Nothing is deployed." >&2; exit 1 ;;
    3) echo "Nobody decided yet. Nothing is deployed; run this job again to go on waiting." >&2; exit 1 ;;
    *) echo "HITL could not be asked. Nothing is deployed." >&2; exit 1 ;;
esac

"${DEPLOY:-./deploy.sh}" "$SERVICE" "$VERSION"
