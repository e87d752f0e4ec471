// What belongs to pages and swaps: focus, menus, dialogs, copying, closing toasts.
import { $, $$, byId, draw, on } from "./dom.js";

let openMenus = [];
let focused = "";
if (window.htmx) {
  // Copying style attributes while a swap settles would only break the content security policy.
  window.htmx.config.attributesToSettle = ["class"];
  // Going back loads the page: a body put back without its scripts would follow nothing.
  window.htmx.config.refreshOnHistoryMiss = true;
}

// Buttons that only a script can serve are hidden until it is here.
export function reveal(root) {
  for (const button of $$("[data-close]", root)) button.hidden = false;
  for (const button of $$("[data-copy]", root)) button.hidden = !navigator.clipboard;
}
reveal(document);

on("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const use = $("use", copy),
      label = copy.getAttribute("aria-label");
    draw(use, "check");
    copy.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      draw(use, "copy");
      copy.setAttribute("aria-label", label);
    }, 1500);
  }
  event.target.closest("[data-close]")?.closest(".toast").remove();
  event.target.closest("[data-close-dialog]")?.closest("dialog").close();
  for (const menu of $$("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
on("keydown", (event) => {
  const menu = event.key === "Escape" && $("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  $("summary", menu).focus();
});

// Short addresses: a filter that is not set has no place in them.
on("htmx:configRequest", ({ detail }) => {
  if (detail.verb !== "get") return;
  for (const [name, value] of [...detail.formData.entries()]) if (value === "") detail.formData.delete(name);
});
// Folding the filters on a phone is not a filter.
on("change", (event) => event.target.id === "filters-open" && event.stopPropagation(), true);
// A menu one is choosing in stays open when the list behind it changes.
on("htmx:beforeSwap", () => {
  focused = document.activeElement?.id;
  openMenus = $$("details.menu[open][id], #filters-open:checked").map((part) => part.id);
});
on("htmx:afterSwap", () => {
  for (const part of openMenus.map(byId)) {
    if (part?.localName === "details") part.open = true;
    else if (part) part.checked = true;
  }
});
on("htmx:afterSettle", ({ detail }) => {
  const target = detail.target?.isConnected ? detail.target : byId(detail.target?.id);
  if (!target) return;
  reveal(document);
  if (target.id === "dialog" && !target.open) target.showModal();
  const wrong = $('[aria-invalid="true"]', target);
  if (wrong) wrong.focus();
  else if (target.id === "decision" || target.id === "card-action") target.focus();
  else if (document.activeElement === document.body) {
    const back =
      (focused && byId(focused)) ||
      $(".card.is-selected, .card", target) ||
      $(".empty a", target) ||
      $("summary, a", target);
    back?.focus({ preventScroll: true });
  }
});
