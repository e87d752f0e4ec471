// Selecting cards: ranges with Shift, all at once, and a bar that says what is selected.
import { $, $$, on, reloadQueue, say } from "./dom.js";

export const ticks = () => $$(".card__check input");
let last = "";

export function tick(box, range) {
  const boxes = ticks(),
    to = boxes.indexOf(box),
    from = boxes.findIndex((each) => each.id === last);
  if (range && from >= 0)
    for (const each of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked;
  last = box.id;
  showCount();
}
export function showCount() {
  const boxes = ticks(),
    chosen = boxes.filter((box) => box.checked),
    all = $("#select-all"),
    count = $("#bulk-count");
  if (!count) return;
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes.length;
    all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
  }
  if (count.textContent === String(chosen.length)) return;
  count.textContent = chosen.length;
  const each = {};
  for (const { dataset } of chosen) each[dataset.priority] = (each[dataset.priority] ?? 0) + 1;
  $("#bulk-note").textContent = Object.entries(each)
    .map(([name, number]) => `${number} ${name}`)
    .join(", ");
  if (chosen.length) say(`${chosen.length} selected`);
}
on("click", (event) => {
  const box = event.target.closest(".card__check input");
  if (box) tick(box, event.shiftKey);
  if (event.target.id === "select-all") {
    for (const each of ticks()) each.checked = event.target.checked;
    showCount();
  }
  if (event.target.closest("#bulk-clear")) {
    for (const each of ticks()) each.checked = false;
    showCount();
    ($(".card.is-selected") ?? $("#select-all"))?.focus();
  }
});
// Shift-clicking selects cards, not the text between them.
on("mousedown", (event) => event.shiftKey && event.target.closest(".card__check") && event.preventDefault());
on("htmx:afterSwap", ({ detail }) => detail.target?.id === "queue" && showCount());
// After a bulk decision the list is read again when its results are closed.
on(
  "close",
  ({ target }) => {
    if (target.id === "dialog" && $("[data-results]", target)) reloadQueue();
  },
  true,
);
showCount();
