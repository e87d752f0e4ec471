// Words typed are never lost: what a page holds unsent is kept when it goes and given back when it comes again.
import "./diff.js"; // opens the composer at a line
import { $, $$, byId, on, toast } from "./dom.js";

const KEY = "hitl-drafts";
let sent = new WeakSet(); // forms on their way: given back only when what came was a refusal
let refused = false,
  forget = false,
  dialogAddress = ""; // the address whose answer is in the dialog

const read = () => JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
const turnedAway = () => $("[data-sign-in], .empty--error[role=alert]");
const write = (drafts) => sessionStorage.setItem(KEY, JSON.stringify(drafts));
export const keyOf = (form) =>
  form.id ||
  [form.getAttribute("action"), form.closest("#decision, #discussion, #dialog")?.id, form.elements.anchor?.value].join(
    " ",
  );
const forms = (root) =>
  $$("form", root).filter((form) => form.method === "post" && !form.matches("[data-sign-in], dialog:not([open]) *"));
const initial = (field) =>
  (field.localName === "select"
    ? ([...field.options].find((option) => option.defaultSelected) ?? field.options[0])?.value
    : field.defaultValue) ?? "";
const isTyped = (field) =>
  field.name &&
  !field.readOnly &&
  field.matches("textarea, select, [type=text], [type=number]") &&
  field.value.trim() &&
  (field.value !== initial(field) ||
    (field.closest("#decision, #dialog") && $$("textarea", field.form).some((text) => text.value.trim())));

// What is typed in the forms below an element, and the mode chosen there.
export function collect(root = document) {
  const written = forms(root).map((form) => ({
    key: keyOf(form),
    fields: [...form.elements].filter(isTyped).map(({ name, value }) => ({ name, value })),
    place:
      form.elements.anchor &&
      Object.fromEntries(["anchor", "file", "line", "side"].map((name) => [name, form.elements[name].value])),
    asked: form.closest("#dialog") ? dialogAddress : "",
    sent: sent.has(form),
  }));
  return { mode: $("input[name=mode]:checked", root)?.id, written: written.filter(({ fields }) => fields.length) };
}

const find = (key, root) => forms(root).find((form) => keyOf(form) === key);
function fill(form, fields) {
  for (const { name, value } of fields) {
    const field = form.elements[name];
    if (!field || !value || (field.value.trim() && field.value !== initial(field))) continue;
    field.value = value;
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  }
}
// Give words back to the forms they were in; return those whose form is not below this element.
export function restore({ mode, written }, root = document) {
  const radio = mode && byId(mode);
  if (radio && root.contains(radio)) radio.checked = true;
  return written.filter(({ key, fields }) => {
    const form = find(key, root);
    if (form) fill(form, fields);
    return !form;
  });
}
async function restoreOther({ key, fields, place, asked: address }) {
  const row = place && byId(place.anchor);
  if (row) document.dispatchEvent(new CustomEvent("hitl:line", { detail: row }));
  else if (address) await window.htmx.ajax("GET", address, { target: "#dialog", swap: "innerHTML" });
  const form = $$("form").find((each) => keyOf(each) === key),
    discussion = $("#comment-form");
  const words = fields.find(({ name }) => /^(text|reason)$/.test(name))?.value;
  if (form) fill(form, fields);
  else if (discussion && words)
    fill(discussion, [
      { name: "text", value: words },
      ...["file", "line", "side"].map((name) => ({ name, value: place?.[name] })),
    ]);
}

function saveDraft() {
  if (forget || turnedAway()) return;
  const now = collect(),
    kept = now.written.length || $("input[name=mode]:checked:not([checked])");
  write({ ...read(), [location.pathname]: kept ? { ...now, refused } : undefined });
}
async function restoreAll() {
  const drafts = read();
  const back = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  for (const [path, draft] of Object.entries(drafts)) {
    if (turnedAway() || back) draft.refused ||= draft.written.some((one) => one.sent);
    else draft.written = draft.written.filter((one) => !one.sent);
    for (const one of draft.written) one.sent = false;
    if (!draft.written.length && path !== location.pathname) delete drafts[path];
  }
  write(drafts);
  const mine = !turnedAway() && drafts[location.pathname];
  if (!mine) return;
  for (const lost of restore(mine)) await restoreOther(lost);
  if (mine.refused && mine.written.length) toast("Nothing was sent. What you typed is back; send it again.", "warning");
}

on(
  "submit",
  ({ target }) => {
    if (target.method === "post") sent.add(target);
    if (!target.getAttribute("action")?.endsWith("/logout")) return;
    forget = true; // the next person at this screen is another one
    sessionStorage.removeItem(KEY);
  },
  true,
);
on("htmx:beforeRequest", ({ detail }) => {
  if (detail.target?.id === "dialog")
    dialogAddress = detail.requestConfig.verb === "get" ? detail.pathInfo.finalRequestPath : "";
});
on("htmx:afterRequest", ({ detail }) => {
  if (detail.xhr?.getResponseHeader("HX-Redirect")) return;
  if (sent.delete(detail.elt)) refused = Boolean(detail.xhr?.getResponseHeader("HX-Refresh"));
});
// A panel that comes back with the words of the form that was refused gets those of its others from here.
let others = null;
on("htmx:beforeSwap", ({ detail }) => {
  others = detail.target?.id === "decision" ? collect(detail.target) : null;
  if (others) others.written = others.written.filter(({ key }) => key !== keyOf(detail.requestConfig.elt));
});
on("htmx:afterSwap", () => {
  const panel = others?.written.length && $("#decision");
  if (panel) restore({ written: others.written }, panel);
  others = null;
});
addEventListener("pagehide", saveDraft);
on("visibilitychange", () => document.hidden && saveDraft());
addEventListener("pageshow", (event) => {
  if (event.persisted) sent = new WeakSet();
});
restoreAll();
