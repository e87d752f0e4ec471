// Words typed are never lost to a session that ended: kept when sent, given back after signing in again.
import { $, $$ } from "./dom.js";

const KEY = "hitl-draft";
const wordsOf = (form) => $$("textarea, select", form).filter((field) => field.name && field.value.trim());

function keep(form) {
  const fields = wordsOf(form).map((field) => ({ id: field.id, name: field.name, value: field.value }));
  const mode = $("input[name=mode]:checked")?.id;
  if (fields.length) sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, fields, mode }));
}
function giveBack() {
  const draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (!draft) return;
  if ($("[data-sign-in]")) {
    draft.signedOut = true; // the answer to what was sent was this page
    return sessionStorage.setItem(KEY, JSON.stringify(draft));
  }
  if (draft.signedOut && draft.path !== location.pathname) return;
  sessionStorage.removeItem(KEY);
  if (!draft.signedOut) return;
  for (const { id, name, value } of draft.fields) {
    const field = (id && document.getElementById(id)) || $(`textarea[name="${CSS.escape(name)}"]`);
    if (field && !field.value) field.value = value;
  }
  const mode = draft.mode && document.getElementById(draft.mode);
  if (mode) mode.checked = true;
}
document.addEventListener("submit", (event) => event.target.method === "post" && keep(event.target), true);
document.addEventListener("htmx:beforeRequest", ({ target }) => target.method === "post" && keep(target));
giveBack();
