// The diff: viewed ticks, the mark of the file one reads, addresses of lines, comments at a line.
import { $, $$ } from "./dom.js";

const marked = (file, viewed) => {
  file.classList.toggle("is-viewed", viewed);
  const entry = $(`.tree__file[href="#${CSS.escape(file.id)}"]`);
  entry?.classList.toggle("is-viewed", viewed);
  const use = entry && $("use", entry);
  use?.setAttribute("href", use.getAttribute("href").replace(/#.*/, viewed ? "#i-check" : "#i-file"));
};
document.addEventListener("change", ({ target }) => {
  if (!target.matches(".dfile__viewed input[name=viewed]")) return;
  const file = target.closest(".dfile"), body = $("details", file);
  marked(file, target.checked);
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
// A deleted line has no place in the new file: what is said of it stands at the next line that has one.
export function placeOf(row) {
  let next = row;
  while (next && !next.id) next = next.nextElementSibling;
  while (row && !next?.id) next = row = row.previousElementSibling;
  return next;
}
const lineOf = (row) => row.id.split("-n").at(-1);
const show = ({ target }) => {
  const row = target.closest?.(".diff tr:not(.diff__thread, .diff__hunk)"), place = row && placeOf(row);
  if (!place || row.contains(plus)) return;
  plus.setAttribute("aria-label", `Comment on ${row === place ? "" : "this deleted line, at "}line ${lineOf(place)}`);
  $$(".diff__code", row).at(-1).append(plus);
};
function write(row) {
  let last = row; // below what was said of this line already
  while (last.nextElementSibling?.matches(".diff__thread")) last = last.nextElementSibling;
  const already = last !== row && $("textarea", last);
  if (already) return already.focus();
  const thread = document.createElement("tr");
  thread.className = "diff__thread";
  const cell = thread.insertCell();
  cell.colSpan = row.closest(".diff--split") ? 6 : 4;
  cell.append(form.content.cloneNode(true));
  const { file, line, anchor } = $("form", cell).elements;
  [file.value, line.value, anchor.value] = [row.closest(".dfile").dataset.path, lineOf(row), row.id];
  last.after(thread);
  window.htmx?.process(thread);
  $("textarea", cell).focus();
}
function back(row) {
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
}
function cancel(thread) {
  const row = document.getElementById($("[name=anchor]", thread).value);
  thread.remove();
  back(row);
}
if (form) {
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("hitl:line", ({ detail }) => write(detail));
  plus.addEventListener("click", () => write(placeOf(plus.closest("tr"))));
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (!detail.target?.closest(".diff__thread")) return;
    const wrong = $("textarea", detail.target), row = placeOf(detail.target.closest("tr").previousElementSibling);
    if (wrong) wrong.focus();
    else back(row);
  });
  document.addEventListener("keydown", (event) => {
    const thread = event.key === "Escape" && event.target.closest(".composer--line")?.closest("tr");
    if (thread && !$("textarea", thread).value) cancel(thread);
  });
}
document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-cancel]")) cancel(target.closest("tr"));
  const row = target.closest(".diff__ln")?.closest("tr[id]");
  if (row) location.hash = row.id;
});

// An address of a line in a file that is still folded opens the file first.
async function follow() {
  const id = decodeURIComponent(location.hash.slice(1)), [key] = id.split(/-n\d+$/);
  const file = id ? document.getElementById(key) : null;
  if (!file?.matches(".dfile")) return;
  $("details", file).open = true;
  if (document.getElementById(id)) return;
  for (let link, before; !document.getElementById(id) && (link = $(".dfile__large a[hx-get]", $(`#${CSS.escape(key)}`))) && link !== before; before = link) {
    const whole = link.getAttribute("hx-target").startsWith("#");
    await window.htmx.ajax("GET", link.getAttribute("hx-get"), { source: link, target: whole ? document.getElementById(key) : link.closest(".dfile__more"), swap: "outerHTML" });
  }
  if (document.getElementById(id)) location.replace(`#${id}`); // what came later is marked by going there again
}
addEventListener("hashchange", follow);
follow();

// Say in the tree which file is being read.
if ("IntersectionObserver" in window && $(".tree__file")) {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      $(".tree__file[aria-current]")?.removeAttribute("aria-current");
      $(`.tree__file[href="#${CSS.escape(target.id)}"]`)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  $$(".dfile").forEach((file) => seen.observe(file));
}
