// Ctrl or Cmd with Enter sends the form one is typing in, by the button one can see.
import { $$, on } from "./dom.js";

const isVisible = (button) => !button.disabled && button.offsetParent !== null;

on("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest("form") ?? event.target.form;
  if (!form || form.method !== "post") return;
  const button = [...form.elements].find((element) => element.type === "submit" && isVisible(element));
  if (!button) return;
  event.preventDefault();
  button.click();
});

// A sent form shows that it is on its way and is not sent twice.
function setBusy(form, busy) {
  for (const button of $$('button[type="submit"], button:not([type])', form)) {
    if (!button.classList.contains("btn")) continue;
    button.classList.toggle("is-loading", busy);
    button.toggleAttribute("aria-busy", busy);
  }
}
on("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.hasAttribute("aria-busy")) return event.preventDefault();
  event.target.setAttribute("aria-busy", "true");
  setBusy(event.target, true);
});
// Back from the next page, or refused: the form can be sent again.
function release(form) {
  form.removeAttribute("aria-busy");
  setBusy(form, false);
}
addEventListener("pageshow", () => $$("form[aria-busy]").forEach(release));
on("htmx:beforeRequest", (event) => event.target.method === "post" && setBusy(event.target, true));
on("htmx:afterRequest", (event) => event.target.method === "post" && release(event.target));
