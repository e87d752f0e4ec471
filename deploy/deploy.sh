#!/usr/bin/env bash
# Releases the product to a cluster, or takes it back to the release before. docs/releasing.md tells it as a person reads it.
set -euo pipefail

readonly USAGE="deploy/deploy.sh [--dry-run] staging|production [VERSION]
deploy/deploy.sh [--dry-run] rollback staging|production

VERSION is the tag of an image such as 0.2.0, sha256:DIGEST, or both as 0.2.0@sha256:DIGEST;
without it, the one in deploy/kubernetes/overlays/ENVIRONMENT/kustomization.yaml.

HITL_CONTEXT             context of kubectl, instead of the one in overlays/ENVIRONMENT/context
HITL_MONITOR_TOKEN_FILE  file with a monitor token, instead of the Secret hitl-monitor
HITL_SMOKE_URL           address of the product for the test after the rollout, instead of BASE_URL
HITL_MIGRATE_SECONDS, HITL_ROLLOUT_SECONDS, HITL_SMOKE_SECONDS   how long to wait: 3600, 600, 120

Ends with 0: done. 1: refused, nothing was changed. 2: not understood. 3: stopped before the rollout, what ran runs on.
4: the release failed and was rolled back. 5: the release or the rollback failed, somebody must look now."
readonly REFUSED=1 NOT_UNDERSTOOD=2 BEFORE=3 ROLLED_BACK=4 BROKEN=5
readonly DEPLOYMENTS=(hitl-web hitl-worker)

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }
stop() { # stop CODE SENTENCE...
    local code=$1
    shift
    complain "deploy.sh: $*"
    exit "$code"
}

k() { kubectl --context "$context" --namespace "$namespace" "$@"; }
change() { # whatever changes the cluster, and nothing else, goes through here
    if [ "$dry_run" = yes ]; then say "  would run: kubectl $*"; else k "$@"; fi
}

read_arguments() {
    local words=() word
    dry_run=no verb=release version=''
    for word in "$@"; do
        case $word in
            --dry-run) dry_run=yes ;;
            -h | --help) say "$USAGE" && exit 0 ;;
            -*) stop $NOT_UNDERSTOOD "$word is no option."$'\n\n'"$USAGE" ;;
            *) words+=("$word") ;;
        esac
    done
    if [ "${words[0]:-}" = rollback ]; then
        verb=rollback
        words=("${words[@]:1}")
    fi
    environment=${words[0]:-}
    [[ $environment =~ ^(staging|production)$ ]] || stop $NOT_UNDERSTOOD "staging or production?"$'\n\n'"$USAGE"
    version=${words[1]:-}
    # It could be a tag: somebody in a hurry must not release it.
    [ "$version" != rollback ] || stop $NOT_UNDERSTOOD "To go back: deploy/deploy.sh rollback $environment."$'\n\n'"$USAGE"
    if [ ${#words[@]} -gt 2 ] || [[ $verb = rollback && -n $version ]]; then
        stop $NOT_UNDERSTOOD "One word too many: ${words[-1]}."$'\n\n'"$USAGE"
    fi
    [[ -z $version || $version =~ ^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@?sha256:[0-9a-f]{64})?$ ]] ||
        stop $NOT_UNDERSTOOD "$version is neither a tag such as 0.2.0 nor a digest such as sha256:0123... of 64 digits."
}

check_tools() {
    local tool
    for tool in kubectl git curl; do
        command -v "$tool" >/dev/null || stop $REFUSED "$tool is not installed, or not on the PATH."
    done
}

find_overlay() {
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
    overlay=$here/kubernetes/overlays/$environment
    namespace=$(sed -n 's/^namespace: *//p' "$overlay/kustomization.yaml")
    context=${HITL_CONTEXT:-$(cat "$overlay/context")}
    url=${HITL_SMOKE_URL:-$(sed -n 's/^BASE_URL=//p' "$overlay/settings.env")}
    url=${url%/}
}

check_context() {
    local known
    known=$(kubectl config get-contexts --output name)
    grep -Fqx -- "$context" <<<"$known" ||
        stop $REFUSED "kubectl knows no context '$context'. Add it, or write yours into $overlay/context."
    k get namespace "$namespace" --output name >/dev/null ||
        stop $REFUSED "The namespace $namespace does not answer in the context '$context'; kubectl says why above." \
            "Where it is not there yet: docs/kubernetes.md, 'The first time'."
}

check_committed() {
    local changed
    [ "$environment" = production ] || return 0
    changed=$(git -C "$here" status --porcelain) || stop $REFUSED "git cannot tell whether everything is committed."
    [ -z "$changed" ] || stop $REFUSED "Production gets what is committed, and this is not:"$'\n'"$changed"
}

images_in() { sed -n 's/^ *\(- \)\{0,1\}image: *//p' "$@" | tr -d "\"'" | sort -u; }

render() { # into $work/before, $work/migrate and $work/release: one file for each object
    local name wanted up
    work=$(cd "$(mktemp -d)" && pwd -P)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/layer" "$work/before" "$work/migrate" "$work/release"
    kubectl kustomize "$overlay" >"$work/overlay.yaml" || stop $REFUSED "$overlay cannot be rendered; see above."
    image=$(images_in "$work/overlay.yaml")
    [[ $image && $image != *$'\n'* ]] || stop $REFUSED "All pods must have one image; $overlay has: ${image//$'\n'/, }."
    up=${work//[^\/]/}/ # a base is named by a relative path: up to the root, and down again
    up=${up//\//../}
    cat >"$work/layer/kustomization.yaml" <<LAYER
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: ["$up${overlay#/}"]
patches:
  - target: {kind: Deployment}
    patch: |-
      {apiVersion: apps/v1, kind: Deployment, metadata: {name: any, annotations: {
        kubernetes.io/change-cause: "${version:-$image} of commit $(git -C "$here" rev-parse --short HEAD)"}}}
LAYER
    if [ -n "$version" ]; then
        name=${image%@*}
        [[ ${name##*/} != *:* ]] || name=${name%:*}
        wanted=$name
        printf 'images:\n  - name: "%s"\n' "$name" >>"$work/layer/kustomization.yaml"
        if [[ ${version%%sha256:*} ]]; then
            printf '    newTag: "%s"\n' "${version%%@*}" >>"$work/layer/kustomization.yaml"
            wanted+=:${version%%@*}
        fi
        if [[ $version = *sha256:* ]]; then
            printf '    digest: "sha256:%s"\n' "${version##*sha256:}" >>"$work/layer/kustomization.yaml"
            wanted+=@sha256:${version##*sha256:}
        fi
    else
        wanted=$image
    fi
    kubectl kustomize "$work/layer" --output "$work/release" || stop $REFUSED "$overlay cannot be rendered; see above."
    image=$(images_in "$work"/release/*)
    [ "$image" = "$wanted" ] || stop $REFUSED "Rendered for ${version:-the overlay}, the pods have ${image//$'\n'/, }, not $wanted."
    if ! mv "$work"/release/batch_v1_job_hitl-migrate.yaml "$work/migrate" ||
        ! mv "$work"/release/{v1_serviceaccount,v1_configmap,networking.k8s.io_v1_networkpolicy}_* "$work/before"; then
        stop $REFUSED "This kubectl names rendered files in another way than 1.37; see above."
    fi
}

check_rendered() {
    local examples
    examples=$(grep -rhoE '[A-Za-z0-9.-]*example\.org[A-Za-z0-9/.-]*' "$work"/{before,migrate,release} | sort -u) || true
    [ -z "$examples" ] ||
        stop $REFUSED "$overlay still names the examples ${examples//$'\n'/, }: put in your own."
    if [ "$environment" = production ]; then
        [[ $image =~ @sha256:[0-9a-f]{64}$ || $image =~ :v?[0-9]+\.[0-9]+\.[0-9]+([-.][0-9A-Za-z.-]+)?$ ]] ||
            stop $REFUSED "Production takes an image with a version or a digest; $image may be another one tomorrow."
    fi
}

check_the_cluster_takes_it() {
    k apply --dry-run=server --filename "$work/before" --filename "$work/release" >/dev/null ||
        stop $REFUSED "The cluster would not take what was rendered; it says why above."
}

check_secrets() {
    k get secret hitl-app hitl-owner hitl-metrics --output name >/dev/null ||
        stop $REFUSED "A Secret is missing; docs/kubernetes.md, 'Secrets', has the commands that make them."
    running=$(k get deployment hitl-web --ignore-not-found --output 'jsonpath={.status.availableReplicas}') ||
        stop $REFUSED "The cluster does not say what runs; see above."
    if [ -n "${HITL_MONITOR_TOKEN_FILE:-}" ]; then
        token=$(cat "$HITL_MONITOR_TOKEN_FILE") || stop $REFUSED "HITL_MONITOR_TOKEN_FILE cannot be read."
    else
        token=$(k get secret hitl-monitor --ignore-not-found --output 'jsonpath={.data.token}' | base64 --decode) ||
            stop $REFUSED "The Secret hitl-monitor cannot be read; see above."
    fi
    # Where nothing runs, as at the first time, nobody can have made one.
    [[ $token || -z $running ]] ||
        stop $REFUSED "There is no monitor token for the test after the rollout. Put one into the Secret hitl-monitor" \
            "(docs/kubernetes.md, 'The first time'), or name a file in HITL_MONITOR_TOKEN_FILE."
    [[ $token =~ ^[A-Za-z0-9_.=-]*$ ]] || stop $REFUSED "What was found as monitor token is none."
}

check_keys() { # a pod whose secret file is not there does not start; a Secret is mounted under its name
    local secret key has
    while IFS=/ read -r secret key; do
        # shellcheck disable=SC2016
        has=$(k get secret "$secret" --output 'go-template={{range $key, $_ := .data}}{{$key}} {{end}}') ||
            stop $REFUSED "The keys of the Secret $secret cannot be read; see above."
        [[ " $has " = *" $key "* ]] || stop $REFUSED "The Secret $secret has no key $key, which the setting ${key}_FILE names."
    done < <(grep -rhoE '/run/secrets/hitl-[a-z]+/[A-Z_]+$' "$work" | sed 's#/run/secrets/##' | sort -u)
}

check_nobody_migrates() {
    local active
    active=$(k get job hitl-migrate --ignore-not-found --output 'jsonpath={.status.active}') ||
        stop $REFUSED "The cluster does not say whether a migration runs; see above."
    [ -z "$active" ] || stop $REFUSED "A migration is running: somebody else releases. Wait for job/hitl-migrate to end."
}

revision() { k get deployment "$1" --ignore-not-found --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'; }

migrate() {
    local state='' until=$((SECONDS + ${HITL_MIGRATE_SECONDS:-3600}))
    say "Configuration"
    change apply --filename "$work/before" || stop $BEFORE "The configuration was not applied whole; what runs runs on."
    say "Migration"
    change delete job hitl-migrate --ignore-not-found --timeout=60s ||
        stop $BEFORE "The Job of the last migration cannot be removed; what runs runs on."
    change apply --filename "$work/migrate" || stop $BEFORE "The migration was not started; what runs runs on."
    if [ "$dry_run" = yes ]; then return 0; fi
    while :; do
        state=$(k get job hitl-migrate --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') || state=''
        case " $state " in
            *" Complete "*) return 0 ;;
            *" Failed "*) break ;;
        esac
        [ $SECONDS -lt "$until" ] || break
        sleep 3
    done
    complain "The last lines of job/hitl-migrate:"
    k logs --selector batch.kubernetes.io/job-name=hitl-migrate --tail=100 --prefix >&2 || true
    if [[ $state = *Failed* ]]; then
        stop $BEFORE "The migration failed, so nothing was rolled out; what runs runs on. Its log is above."
    fi
    stop $BEFORE "The migration is not done after ${HITL_MIGRATE_SECONDS:-3600} s, so nothing was rolled out. It runs on:" \
        "kubectl --context $context --namespace $namespace logs --follow job/hitl-migrate"
}

wait_for_rollout() {
    local name
    for name in "${DEPLOYMENTS[@]}"; do
        k rollout status "deployment/$name" --timeout="${HITL_ROLLOUT_SECONDS:-600}s" || {
            reason="deployment/$name did not become ready"
            return 1
        }
    done
}

ask() { # ask PATH [TOKEN] -> status and body. The token goes in by standard input, where `ps` shows nothing.
    local config="url = \"$url$1\""
    [ -z "${2:-}" ] || config+=$'\n'"header = \"Authorization: Bearer $2\""
    curl --silent --show-error --max-time 10 --write-out '\n%{http_code}' --config - <<<"$config" 2>&1
}

smoke_test() {
    local answer='' status until=$((SECONDS + ${HITL_SMOKE_SECONDS:-120}))
    while :; do
        answer=$(ask /readyz) || true
        [ "${answer##*$'\n'}" != 200 ] || break
        if [ $SECONDS -ge "$until" ]; then
            reason="$url/readyz answers: ${answer//$'\n'/ }"
            return 1
        fi
        sleep 3
    done
    [ -n "$token" ] || return 0
    answer=$(ask /hitl/analytics/summary "$token") || true
    status=${answer##*$'\n'}
    if [ "$status" != 200 ]; then
        reason="$url/hitl/analytics/summary answers $status to the monitor token"
        return 1
    fi
}

show_pods() {
    k get pods --selector app.kubernetes.io/name=hitl >&2 || true
    k get events --field-selector type=Warning --sort-by .lastTimestamp 2>&1 | tail -n 10 >&2 || true
}

undo() { # undo WEB_REVISION WORKER_REVISION
    local i revisions=("$@")
    for i in "${!DEPLOYMENTS[@]}"; do
        change rollout undo "deployment/${DEPLOYMENTS[i]}" --to-revision="${revisions[i]}" || {
            reason="deployment/${DEPLOYMENTS[i]} cannot be taken back to revision ${revisions[i]}"
            return 1
        }
    done
    [ "$dry_run" = yes ] || { wait_for_rollout && smoke_test; }
}

release() {
    local before=() name reason='' why
    check_committed
    render
    check_rendered
    check_context
    check_secrets
    check_keys
    check_nobody_migrates
    check_the_cluster_takes_it
    for name in "${DEPLOYMENTS[@]}"; do
        before+=("$(revision "$name")") || stop $REFUSED "The cluster does not say which revision of $name runs."
    done
    say "$environment ($context, $namespace) gets $image."
    if [ "$dry_run" = yes ]; then k diff --filename "$work/before" --filename "$work/release" || true; fi
    migrate
    say "Rollout"
    if [ "$dry_run" = yes ]; then
        change apply --filename "$work/release"
        for name in "${DEPLOYMENTS[@]}"; do change rollout status "deployment/$name"; done
        say "  would ask: $url/readyz and $url/hitl/analytics/summary"
        return 0
    fi
    if k apply --filename "$work/release" || { reason='not everything was applied' && false; }; then
        if wait_for_rollout && say "Test" && smoke_test; then
            say "$environment runs $image."
            [ -n "$token" ] || say "The first people, and the monitor token: docs/kubernetes.md, 'The first time'."
            return 0
        fi
    fi
    why=$reason
    show_pods
    if [ -z "$running" ]; then
        stop $BROKEN "The release failed: $why. Nothing ran before that it could go back to; look at the pods now."
    fi
    complain "The release failed: $why. Rolling back."
    undo "${before[@]}" ||
        stop $BROKEN "The release failed: $why. The rollback failed too: $reason. Look at the pods now."
    stop $ROLLED_BACK "The release of $image failed and was rolled back: $why." \
        "Migrations stay; the release before works with them."
}

image_of() { # nothing where the cluster does not say it
    k rollout history "deployment/$1" --revision="$2" --output 'jsonpath={.spec.template.spec.containers[0].image}' || true
}

rollback() {
    local name revisions=() now=() to=() numbers reason=''
    check_context
    check_secrets
    check_nobody_migrates
    for name in "${DEPLOYMENTS[@]}"; do
        mapfile -t numbers < <(k rollout history "deployment/$name" | sed -n 's/^\([0-9][0-9]*\).*/\1/p')
        [ ${#numbers[@]} -ge 2 ] || stop $REFUSED "There is no release of $name before this one."
        revisions+=("${numbers[-2]}")
        now+=("$(image_of "$name" "${numbers[-1]}")") to+=("$(image_of "$name" "${numbers[-2]}")")
    done
    [[ ${to[0]} && ${to[0]} = "${to[1]}" ]] ||
        stop $REFUSED "Before this, web had ${to[0]:-an unknown image} and the worker ${to[1]:-an unknown image}:" \
            "name the version instead, deploy/deploy.sh $environment VERSION."
    say "$environment ($context, $namespace) goes back from ${now[0]} to ${to[0]}."
    undo "${revisions[@]}" || {
        show_pods
        stop $BROKEN "The rollback failed: $reason. Look at the pods now."
    }
    say "$environment runs ${to[0]}. Migrations stay. A second rollback would go forward to ${now[0]} again."
}

interrupted() {
    trap - INT TERM
    complain "deploy.sh: interrupted. What was begun goes on in the cluster; look at it with" \
        "kubectl --context ${context:-?} --namespace ${namespace:-?} get deployments,jobs,pods," \
        "and undo it with deploy/deploy.sh rollback ${environment:-?}."
    exit 130
}

main() {
    read_arguments "$@"
    trap interrupted INT TERM
    check_tools
    find_overlay
    "$verb"
}

main "$@"
