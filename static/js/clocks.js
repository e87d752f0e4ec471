// Tick the SLA clocks from the server's time, so that a wrong clock on this machine changes nothing.
import { $, $$, draw, on } from "./dom.js";

const MINUTE = 60,
  HOUR = 3600,
  DAY = 86400;
const rendered = Date.parse(document.body.dataset.now ?? "");
const ahead = Number.isNaN(rendered) ? 0 : Date.now() - rendered;

// The same words as `duration` in clock_tags.py: floored, two units at most.
export function duration(seconds) {
  const two = (big, unit, small, word) => {
    const rest = Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)} ${unit}${rest ? ` ${rest} ${word}` : ""}`;
  };
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < 10 * MINUTE) return two(MINUTE, "min", 1, "s");
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  return seconds < DAY ? two(HOUR, "h", MINUTE, "m") : two(DAY, "d", HOUR, "h");
}

function tick() {
  const now = Date.now() - ahead;
  for (const clock of $$(".sla[data-due]")) {
    const due = Date.parse(clock.dataset.due),
      start = Date.parse(clock.dataset.start);
    const over = now >= due;
    const state = over ? "breached" : now >= Date.parse(clock.dataset.warn) ? "warning" : "ok";
    const words = `${duration(Math.floor(Math.abs(due - now) / 1000))} ${over ? "over" : "left"}`;
    const text = $("[data-left]", clock);
    if (text.textContent !== words) text.textContent = words;
    const left = over ? 100 : Math.max(0, Math.floor(((due - now) / (due - start)) * 100));
    $(".sla__arc", clock)?.setAttribute("stroke-dasharray", `${left} 100`);
    if (!clock.classList.contains(`sla--${state}`)) {
      clock.classList.remove("sla--ok", "sla--warning", "sla--breached");
      clock.classList.add(`sla--${state}`);
      draw($("use", clock), { ok: "clock", warning: "hourglass", breached: "warning" }[state]);
    }
  }
}

setInterval(() => document.hidden || tick(), 1000);
on("visibilitychange", () => document.hidden || tick());
on("htmx:afterSettle", tick);
tick();
