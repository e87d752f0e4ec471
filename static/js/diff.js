// The diff: viewed ticks, the mark of the file one reads, addresses of lines, comments at a line.
import { $, $$, byId, draw, on } from "./dom.js";

const markViewed = (file, viewed) => {
  file.classList.toggle("is-viewed", viewed);
  const entry = $(`.tree__file[href="#${CSS.escape(file.id)}"]`);
  entry?.classList.toggle("is-viewed", viewed);
  draw(entry && $("use", entry), viewed ? "check" : "file");
};
on("change", ({ target }) => {
  if (!target.matches(".dfile__viewed input[name=viewed]")) return;
  const file = target.closest(".dfile"),
    body = $("details", file);
  markViewed(file, target.checked);
  body.open = !target.checked;
  const bar = $("#viewed-bar");
  if (bar) {
    bar.value += target.checked ? 1 : -1;
    $("#viewed-count").textContent = bar.value;
  }
});

// One button for all lines, in the row the pointer or the focus is in.
const form = $("#line-comment");
const plus = document.createElement("button");
plus.type = "button";
plus.className = "diff__add is-shown";
plus.textContent = "+";
// What has the address of the line one is at: its row, or beside another line the number of a deleted one.
export function placeOf(at) {
  const row = at.closest?.(".diff tr"),
    old = row && $("td[id]", row);
  return old && (!row.id || at.closest("td")?.cellIndex < 3) ? old : row?.id ? row : null;
}
const describe = (place) => {
  const [, side, line] = place.id.match(/-([no])(\d+)$/),
    old = side === "o";
  return { line, side: old ? "old" : "new", words: `Comment on ${old ? "deleted " : ""}line ${line}` };
};
const showPlus = ({ target }) => {
  const place = placeOf(target),
    cell = place && (place.cells ? $$(".diff__code", place).at(-1) : place.parentElement.cells[2]);
  if (!cell || cell.contains(plus)) return;
  plus.setAttribute("aria-label", describe(place).words);
  cell.append(plus);
};
function openComposer(place) {
  const row = place.closest("tr");
  let last = row; // below what was said of this line already
  while (last.nextElementSibling?.matches(".diff__thread")) {
    last = last.nextElementSibling;
    if ($("[name=anchor]", last)?.value === place.id) return $("textarea", last).focus();
  }
  const thread = document.createElement("tr");
  thread.className = "diff__thread";
  const cell = thread.insertCell();
  cell.colSpan = row.closest(".diff--split") ? 6 : 4;
  cell.append(form.content.cloneNode(true));
  const { words, ...where } = describe(place);
  $(".field__label", cell).textContent = words;
  Object.assign(where, { file: row.closest(".dfile").dataset.path, anchor: place.id });
  for (const name in where) $("form", cell).elements[name].value = where[name];
  last.after(thread);
  window.htmx?.process(thread);
  $("textarea", cell).focus();
}
function focusRow(row) {
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
}
function cancel(thread) {
  const row = byId($("[name=anchor]", thread).value);
  thread.remove();
  focusRow(row);
}
if (form) {
  on("pointerover", showPlus);
  on("focusin", showPlus);
  on("hitl:line", ({ detail }) => openComposer(detail));
  plus.addEventListener("click", () => openComposer(placeOf(plus)));
  on("htmx:afterSettle", ({ detail }) => {
    if (!detail.target?.closest(".diff__thread")) return;
    const wrong = $("textarea", detail.target);
    if (wrong) wrong.focus();
    else focusRow(byId(detail.requestConfig.parameters.anchor));
  });
  on("keydown", (event) => {
    const thread = event.key === "Escape" && event.target.closest(".composer--line")?.closest("tr");
    if (thread && !$("textarea", thread).value) cancel(thread);
  });
}
on("click", ({ target }) => {
  if (target.matches("[data-cancel]")) cancel(target.closest("tr"));
  const place = target.closest(".diff__ln") && placeOf(target);
  if (place) location.hash = place.id;
});

// An address of a line in a file that is still folded opens the file first.
async function followHash() {
  const id = decodeURIComponent(location.hash.slice(1)),
    [key] = id.split(/-[no]\d+$/);
  const file = id ? byId(key) : null;
  if (!file?.matches(".dfile")) return;
  $("details", file).open = true;
  if (byId(id)) return;
  let before = null;
  while (!byId(id)) {
    const link = $(".dfile__large a[hx-get]", byId(key));
    if (!link || link === before) break;
    before = link;
    const whole = link.getAttribute("hx-target").startsWith("#");
    await window.htmx.ajax("GET", link.getAttribute("hx-get"), {
      source: link,
      target: whole ? byId(key) : link.closest(".dfile__more"),
      swap: "outerHTML",
    });
  }
  if (byId(id)) location.replace(`#${id}`); // what came later is marked by going there again
}
addEventListener("hashchange", followHash);
followHash();

// Say which section and which file of it is being read; the head of the page belongs to the first section.
for (const [parts, links] of [
  [".section, [data-part]", ".secnav a"],
  [".dfile", ".tree a"],
]) {
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        const read = target.dataset.part ?? `#${target.id}`;
        for (const link of $$(links)) link.ariaCurrent = link.hash === read ? "true" : null;
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const part of $$(parts)) seen.observe(part);
}
