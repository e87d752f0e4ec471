// The keyboard map: single keys, none of them while one types or a dialog is open, all of them off on request.

import { placeOf } from "./diff.js";
import { $, $$, on, say } from "./dom.js";
import { tick, ticks } from "./queue.js";

const singleKeys = !document.body.hasAttribute("data-no-single-keys");
const around = (selector) => document.activeElement.closest?.(selector);
const cards = () => $$(".card[id^=decision-]:not(.is-leaving)");
const selected = () => $(".card.is-selected");
let leader = 0; // when G was pressed

export function select(card, move = true) {
  for (const other of cards()) {
    const here = other === card;
    other.classList.toggle("is-selected", here);
    other.tabIndex = here ? 0 : -1;
    other.ariaCurrent = here ? "true" : null;
  }
  if (!card || !move) return;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}
const step = (by) => {
  const all = cards(),
    at = all.indexOf(selected());
  select(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))]);
};
const act = (kind) => {
  const card = selected() ?? around(".card");
  $(`.qa--${kind}`, card ?? undefined)?.click();
};
const mark = (range) => {
  const card = selected(),
    box = card && $(".card__check input", card);
  if (!box) return;
  box.checked = range || !box.checked;
  tick(box, range);
};
const bulk = (id) => ticks().some((box) => box.checked) && $(id)?.click();

const mode = (id, field) => () => {
  const radio = $(id);
  if (!radio) return $("#decision")?.focus();
  radio.checked = true;
  ($(field) ?? radio).focus();
  $("#decision").scrollIntoView({ block: "nearest" });
};
addEventListener("click", (event) => {
  const to = event.target.closest("[data-mode]");
  if (!to) return;
  event.preventDefault();
  mode(to.dataset.mode)();
});
function comment() {
  const row = placeOf(document.activeElement);
  if (row && $("#line-comment")) return document.dispatchEvent(new CustomEvent("hitl:line", { detail: row }));
  if ($("#mode-comment")) return mode("#mode-comment", ".decision__form--comment textarea")();
  ($(".decision__form textarea[name=text]") ?? $("#comment-text"))?.focus();
}
function escalate() {
  const more = $(".decision__more");
  if (!more) return;
  more.open = true;
  const form = $("form[action$='/escalate']", more);
  if (!form) return;
  form.closest("details").open = true;
  $("textarea", form).focus();
}

const files = () => $$(".review__files > .dfile");
const top = (element) => element.getBoundingClientRect().top;
const EDGE = 140; // below the bars that stick
const currentFile = () => around(".dfile") ?? files().findLast((file) => top(file) <= EDGE + 8) ?? files()[0];
function go(element) {
  if (!element) return;
  if (!element.matches("summary, a, button")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
  scrollBy({ top: top(element) - EDGE });
}
const file = (by) => () => {
  const all = files(),
    here = around(".dfile");
  // From outside the diff: the first file at or below the bars, or the last above them.
  const beside = by > 0 ? all.find((each) => top(each) >= EDGE - 8) : all.findLast((each) => top(each) < EDGE - 8);
  const next = here ? all[all.indexOf(here) + by] : beside;
  go(next && $("summary", next));
};
const changed = (row) => row.matches(".is-add, .is-del") || $(":scope > :is(.is-add, .is-del)", row);
function change(by) {
  const rows = $$(".dfile__body[open] .diff tr:not(.diff__thread)");
  const starts = rows.filter((row, index) => changed(row) && !(rows[index - 1] && changed(rows[index - 1])));
  const here = around(".diff tr");
  const place = here ? top(here) : EDGE;
  const next = by > 0 ? starts.find((row) => top(row) > place + 1) : starts.findLast((row) => top(row) < place - 1);
  go(next);
}

function search() {
  const box = $("#id_q");
  if (!box) return location.assign("/#id_q");
  box.select();
  box.focus();
}
const anywhere = {
  "?": () => $("#shortcuts")?.showModal(),
  "/": search,
  g: () => {
    leader = Date.now();
  },
};
const queue = {
  j: () => step(1),
  k: () => step(-1),
  x: () => mark(false),
  X: () => mark(true),
  ".": () => $("#newpill")?.click(),
  a: () => act("approve"),
  r: () => act("reject"),
  c: () => act("comment"),
  A: () => bulk("#bulk-approve"),
  R: () => bulk("#bulk-reject"),
  Enter: () => document.activeElement === selected() && $(".card__title a", selected()).click(),
};
const patch = {
  a: mode("#mode-approve", "#decide-text"),
  r: mode("#mode-reject", "#decide-category"),
  n: mode("#mode-changes", "#decide-text"),
  c: comment,
  e: escalate,
  j: () => $("a[rel=next]")?.click(),
  k: () => $("a[rel=prev]")?.click(),
  "]": file(1),
  "[": file(-1),
  ArrowDown: () => change(1),
  ArrowUp: () => change(-1),
  v: () => $(".dfile__viewed input[name=viewed]", currentFile())?.click(),
  s: () => $(".seg a[id^=view-]:not([aria-current])")?.click(),
};
const PLACES = { q: "/", h: "/history" };

const typing = (element) =>
  element.isContentEditable ||
  /^(textarea|select)$/.test(element.localName) ||
  (element.localName === "input" && !/^(checkbox|radio|button|submit)$/.test(element.type));
function keyed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if ($("dialog[open], details.menu[open], :popover-open")) return;
  const key = event.key;
  if (key === "Enter" && event.target !== selected()) return; // a link or a button has its own Enter
  if (/^Arrow/.test(key) && event.target.matches("input, [role=region]")) return;
  if (Date.now() - leader < 1500 && PLACES[key]) {
    event.preventDefault();
    location.href = PLACES[key];
    return;
  }
  const map = $("#queue-list") ? queue : $("[data-live-panel]") ? patch : {};
  const work = map[key] ?? anywhere[key];
  if (!work) return;
  // The arrows scroll as ever until somebody has entered the diff.
  if (/^Arrow/.test(key) && !event.target.closest(".dfile")) return;
  event.preventDefault();
  work();
}
if (singleKeys) {
  document.body.classList.add("has-keys");
  on("keydown", keyed);
  on("focusin", ({ target }) => {
    const card = target.closest(".card[id^=decision-]");
    if (card) select(card, false);
  });
  const first = () => {
    const [card] = cards();
    if (card && !selected()) card.tabIndex = 0;
  };
  on("htmx:afterSettle", first);
  first();
  if (location.hash === "#id_q") {
    history.replaceState(history.state, "", location.pathname + location.search);
    $("#id_q")?.select();
  }
}
on("click", (event) => {
  if (!event.target.closest("[data-shortcuts]")) return;
  $("#shortcuts").showModal();
  say("");
});
