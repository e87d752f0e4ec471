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
const rowOf = (target) => target.closest?.(".diff tr[id]");
const show = ({ target }) => {
  const row = rowOf(target);
  if (!row || row.contains(plus)) return;
  plus.setAttribute("aria-label", `Comment on line ${row.id.split("-n").at(-1)}`);
  $$(".diff__code", row).at(-1).append(plus);
};
function write(row) {
  const already = row.nextElementSibling;
  if (already?.matches(".diff__thread") && $("textarea", already)) return $("textarea", already).focus();
  const columns = row.closest(".diff--split") ? 6 : 4;
  const thread = document.createElement("tr");
  thread.className = "diff__thread";
  const cell = thread.insertCell();
  cell.colSpan = columns;
  cell.append(form.content.cloneNode(true));
  $("[name=file]", cell).value = row.closest(".dfile").dataset.path;
  $("[name=line]", cell).value = row.id.split("-n").at(-1);
  $("[name=anchor]", cell).value = row.id;
  row.after(thread);
  $("textarea", cell).focus();
}
function cancel(thread) {
  const row = thread.previousElementSibling;
  thread.remove();
  row.tabIndex = -1;
  row.focus();
}
if (form) {
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("hitl:line", ({ detail }) => write(detail));
  plus.addEventListener("click", () => write(rowOf(plus)));
  document.addEventListener("keydown", (event) => {
    const thread = event.key === "Escape" && event.target.closest(".composer--line")?.closest("tr");
    if (thread && !$("textarea", thread).value) cancel(thread);
  });
}
document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-cancel]")) cancel(target.closest("tr"));
  const number = target.closest(".diff__ln"), row = number && rowOf(number);
  if (row) location.hash = row.id;
});

// An address of a line in a file that is still folded opens the file first.
async function follow() {
  const id = decodeURIComponent(location.hash.slice(1)), [key] = id.split(/-n\d+$/);
  const file = id ? document.getElementById(key) : null;
  if (!file?.matches(".dfile")) return;
  $("details", file).open = true;
  if (!document.getElementById(id)) {
    const link = $(".dfile__large a[hx-get]", file);
    if (!link) return;
    await window.htmx.ajax("GET", link.getAttribute("hx-get"), { source: link, target: link.getAttribute("hx-target").startsWith("#") ? file : link.closest(".dfile__more"), swap: "outerHTML" });
    setTimeout(() => document.getElementById(id)?.scrollIntoView({ block: "center" }), 60);
  }
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
