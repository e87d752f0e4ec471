// Small things every module needs: finding, fetching fragments, telling people.
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Listen at the document: what comes later is heard too.
export const on = (event, listener, capture = false) => document.addEventListener(event, listener, capture);
export const byId = (id) => document.getElementById(id);
export const draw = (use, icon) => use?.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#i-${icon}`));

export class SignedOut extends Error {}

// Fetch a piece of a page as htmx would; the server answers a signed-out reader with HX-Redirect.
export async function fragment(address, options = {}) {
  const headers = { "HX-Request": "true" };
  if (options.method === "POST") Object.assign(headers, JSON.parse(document.body.getAttribute("hx-headers")));
  const answer = await fetch(address, { ...options, headers, redirect: "error" });
  if (answer.headers.has("HX-Redirect")) throw new SignedOut();
  if (!answer.ok || answer.headers.has("HX-Refresh")) throw new Error(`${answer.status}`);
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  return holder.content;
}

// Replace what has the same id and is not the same already; focus inside survives where its id does.
export function replace(fresh) {
  const old = byId(fresh.id);
  if (!old || old.isEqualNode(fresh)) return null;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  window.htmx?.process(fresh);
  if (focused) (byId(focused) ?? fresh).focus({ preventScroll: true });
  return fresh;
}

export const reloadQueue = () => window.htmx.ajax("GET", location.href, { target: "#queue" });

// For screen readers, politely; the same words twice are heard twice.
export function say(words) {
  const region = $("#announce");
  if (!region) return;
  region.textContent = "";
  setTimeout(() => {
    region.textContent = words;
  }, 60);
}

const SHAPES = { info: "info", success: "check-disc", warning: "warning", danger: "error" };
export function toast(words, kind = "info") {
  const holder = document.createElement("template");
  const sprite = $("use[href*='#i-']")?.getAttribute("href").replace(/#.*/, "") ?? "";
  const icon = (name, more = "") =>
    `<svg class="icon ${more}" aria-hidden="true" focusable="false"><use href="${sprite}#i-${name}"/></svg>`;
  holder.innerHTML = `<div class="toast toast--${kind}">${icon(SHAPES[kind])}<p class="toast__text"></p><div class="toast__actions"><button class="btn btn--sm btn--ghost btn--icon" type="button" data-close aria-label="Dismiss">${icon("x", "icon--sm")}</button></div></div>`;
  const made = holder.content.firstChild;
  $("p", made).textContent = words;
  $("#toasts")?.append(made);
  setTimeout(() => made.matches(":hover, :focus-within") || made.remove(), 12_000);
}

export function debounced(work, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, wait);
  };
}
