"""Synthetic evidence for the generated history: scores with SHAP values that add up, and wargaming runs."""

from random import Random
from typing import Any

SHAP_BASE = 0.6
FEATURES = ("has_validation", "tests_added", "lines_added", "complexity_change", "files_changed")
NOT_SCORED, NOT_RUN = 0.05, 0.2  # shares of patches that come without
BROKE_OFF, NEVER_WORKED = 0.03, 0.06  # shares of runs


def ml_prediction(rng: Random, good: bool, model: int) -> dict[str, Any] | None:
    """Return a score of the nth model: usually high for a good patch, anything for a bad one; None is 'not scored'."""
    if rng.random() < NOT_SCORED:
        return None
    spread = ((18, 1.6), (4, 2.6)) if model == 1 else ((30, 1.5), (3, 3))
    confidence = round(min(0.995, max(0.03, rng.betavariate(*spread[0 if good else 1]))), 3)
    return {
        "model_version": f"rf_v{model} (synthetic)",
        "confidence": confidence,
        "prediction": confidence >= 0.5,
        "shap_values": _shap(rng, confidence),
        "base_value": SHAP_BASE,
        "execution_time_ms": rng.randint(50, 150),
    }


def _shap(rng: Random, confidence: float) -> dict[str, float]:
    """Spread score minus base over the features, so that the sum is right to the last digit."""
    shares = [rng.uniform(0.5, 3) for _ in FEATURES]
    parts = [round((confidence - SHAP_BASE) * share / sum(shares) + rng.gauss(0, 0.02), 3) for share in shares]
    parts[0] = round(confidence - SHAP_BASE - sum(parts[1:]), 3)
    return dict(zip(FEATURES, parts, strict=True))


def wargaming_result(rng: Random, good: bool, name: str) -> dict[str, Any] | None:
    """Return a run: a good patch usually stops the exploit, a bad one seldom; None is 'not run'."""
    chance = rng.random()
    if chance < NOT_RUN:
        return None
    chance = (chance - NOT_RUN) / (1 - NOT_RUN)
    before, after = rng.randint(20_000, 60_000), rng.randint(120_000, 280_000)
    if chance < BROKE_OFF:
        return _run(name, None, None, before, 0, "The range did not start: image missing.")
    if chance < BROKE_OFF + NEVER_WORKED:
        return _run(name, False, None, before, 0)
    return _run(name, True, rng.random() < (0.95 if good else 0.3), before, after)


def _run(
    name: str, before: bool | None, after: bool | None, before_ms: int, after_ms: int, error: str = ""
) -> dict[str, Any]:
    steps = [
        ("Phase 1: exploit before", before, before_ms, {True: "The exploit works.", False: "The exploit fails."}),
        ("Phase 2: exploit after", after, after_ms, {True: "The exploit fails.", False: "The exploit still works."}),
    ]
    done = [
        {
            "name": step,
            "success": success,
            "duration_ms": milliseconds,
            "exit_code": None if success is None else int(not success),
            "detail": f"Synthetic: {words.get(bool(success), '') if success is not None else error or 'no result.'}",
        }
        for step, success, milliseconds, words in steps
        if success is not None or milliseconds
    ]
    lines = [f"[{step['name']}] {step['detail']}" for step in done]
    return {
        "phase1_success": before,
        "phase2_success": after,
        "validation_passed": after,
        "execution_time_ms": before_ms + after_ms,
        "error_message": f"Synthetic: {error}" if error else None,
        "exploit_id": f"synthetic-{name}",
        "phases": done,
        "log": "\n".join(["[synthetic] Generated for the demo: no range ran.", *lines, ""]),
    }
