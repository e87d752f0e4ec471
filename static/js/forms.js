// Ctrl or Cmd with Enter sends the form one is typing in, by the button one can see.
const seen = (button) => !button.disabled && button.offsetParent !== null;

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest("form") ?? event.target.form;
  if (!form || form.method !== "post") return;
  const button = [...form.elements].find((element) => element.type === "submit" && seen(element));
  if (!button) return;
  event.preventDefault();
  button.click();
});

// A sent form shows that it is on its way and is not sent twice.
function wait(form, on) {
  for (const button of form.querySelectorAll('button[type="submit"], button:not([type])')) {
    if (!button.classList.contains("btn")) continue;
    button.classList.toggle("is-loading", on);
    button.toggleAttribute("aria-busy", on);
  }
}
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.hasAttribute("aria-busy")) return event.preventDefault();
  event.target.setAttribute("aria-busy", "true");
  wait(event.target, true);
});
// Back from the next page, or refused: the form can be sent again.
function rest(form) {
  form.removeAttribute("aria-busy");
  wait(form, false);
}
addEventListener("pageshow", () => document.querySelectorAll("form[aria-busy]").forEach(rest));
document.addEventListener("htmx:beforeRequest", (event) => event.target.method === "post" && wait(event.target, true));
document.addEventListener("htmx:afterRequest", (event) => event.target.method === "post" && rest(event.target));
