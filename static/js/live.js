// Pages follow what happens: one event stream, pieces fetched again, nothing that moves under the reader's eyes.
import { $, $$, byId, debounced, fragment, on, reloadQueue, replace, SignedOut, say, toast } from "./dom.js";
import { collect, keyOf, restore } from "./drafts.js";
import { reveal } from "./pages.js";

const POLL = 15_000,
  PRESENCE = 20_000,
  PATIENCE = 8_000,
  RETRY = 4;
const light = () => $("#live");
const list = () => $("#queue-list"),
  panel = () => $("[data-live-panel]");
const query = (ids) => ids.map((id) => `&id=${id}`).join("");
const shown = () => $$(".card[id^=decision-]").map((card) => card.id.slice(9));
let stream,
  polling,
  impatient,
  polls = 0,
  opened = false;
let before = null; // what the list held when somebody asked for the arrivals
const arrived = new Set(),
  stale = new Set();

function state(name, word) {
  light().hidden = false;
  light().classList.toggle("live--lost", name !== "live");
  if ($("#live-word").textContent !== word) $("#live-word").textContent = word;
  if (name === "lost") impatient ??= setTimeout(() => showLost("Live updates stopped"), PATIENCE);
  else {
    clearTimeout(impatient);
    impatient = undefined;
    $("#live-lost").hidden = true;
  }
}
function showLost(words) {
  const at = new Date().toTimeString().slice(0, 5);
  $("#live-lost-title").textContent = `${words} at ${at}.`;
  $("#live-lost").hidden = false;
}
function signedOut() {
  close();
  location.reload(); // nothing stays on the screen; what is typed comes back after the sign-in
}

function open() {
  if (stream || document.hidden) return;
  stream = new EventSource(light().dataset.events);
  stream.onopen = () => {
    clearInterval(polling);
    polling = undefined;
    state("live", "Live");
    if (opened) catchUp();
    opened = true;
  };
  stream.onerror = () => {
    if (stream?.readyState !== EventSource.CLOSED) return state("lost", "Reconnecting");
    close(); // refused, as at the server's cap: ask now and then
    opened = true;
    state("polling", "Every 15 s");
    polling ??= setInterval(poll, POLL);
    poll();
  };
  for (const name of ["patch.submitted", "decision.changed", "review.recorded"]) stream.addEventListener(name, receive);
  for (const name of ["stats", "reset"]) stream.addEventListener(name, catchUp);
}
function close() {
  stream?.close();
  stream = undefined;
}
function poll() {
  if (document.hidden) return;
  if (++polls % RETRY === 0) open();
  catchUp();
}

function receive({ type, data }) {
  const id = JSON.parse(data).decision_id;
  if (type === "patch.submitted") arrived.add(id);
  else {
    stale.add(id);
    refreshSoon();
  }
  countSoon();
}
function catchUp() {
  for (const id of shown()) stale.add(id);
  if (panel()) stale.add(panel().dataset.decision);
  refreshSoon();
  countSoon();
}

async function attempt(work) {
  try {
    await work();
    if (polling) state("polling", "Every 15 s");
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    else if (polling) state("lost", "Offline");
  }
}
const refreshSoon = debounced(() => attempt(refresh), 40);
const countSoon = debounced(() => list() && attempt(recount), 400);

async function refresh() {
  const ids = [...stale];
  stale.clear();
  if (panel() && ids.includes(panel().dataset.decision)) await refreshPanel();
  const here = shown().filter((id) => ids.includes(id));
  if (!here.length) return;
  const pieces = await cardsNow(here);
  for (const card of $$(".card", pieces)) {
    const old = byId(card.id);
    const ticked = old && $(".card__check input", old)?.checked;
    if (old) keepLooks(old, card, ticked);
    replace(card);
  }
  const gone = $$("[data-gone]", pieces);
  for (const piece of gone) removeCard(byId(piece.dataset.gone));
  const others = gone.filter((piece) => !piece.hasAttribute("data-own")).map((piece) => piece.textContent);
  if (others.length > 3) toast(`${others.length} patches were decided. ${others[0]}`);
  else for (const words of others) toast(words);
}
function keepLooks(old, card, ticked) {
  if (ticked) $(".card__check input", card).checked = true;
  card.classList.toggle("is-selected", old.classList.contains("is-selected"));
  for (const name of ["aria-current", "tabindex"])
    if (old.hasAttribute(name)) card.setAttribute(name, old.getAttribute(name));
}
function removeCard(card) {
  if (!card) return;
  const item = card.closest("li");
  const near = item.nextElementSibling ?? item.previousElementSibling;
  if (card.contains(document.activeElement))
    ($(".card", near ?? document.body) ?? $("#id_q")).focus({ preventScroll: true });
  card.classList.add("is-leaving");
  setTimeout(() => {
    const tick = $(".card__check input", card);
    if (tick?.checked) tick.click();
    item.remove();
    if (!shown().length) return reloadQueue();
    $("#queue-shown").textContent = shown().length;
  }, 320);
}
async function recount() {
  const known = new Set(shown());
  const more = [...arrived].filter((id) => !known.has(id)).slice(-50);
  const pieces = await fragment(
    `${list().dataset.liveCounts}&since=${encodeURIComponent(list().dataset.since)}${query(more)}`,
  );
  for (const piece of [...pieces.children].filter(({ id }) => id)) {
    const fresh = replace(piece);
    if (fresh?.id === "arrivals" && fresh.textContent.trim()) say(fresh.textContent.trim());
  }
}

async function refreshPanel() {
  const pieces = await fragment(panel().dataset.livePanel);
  const now = $("#decision"),
    next = $("#decision", pieces),
    notice = $("#live-notice", pieces);
  if (!now || now.dataset.state === next.dataset.state) return;
  const kept = collect(panel()).written.length,
    words = $("strong", notice)?.textContent;
  for (const piece of [...pieces.children]) if (piece !== next) replace(piece);
  if (kept && $("#live-kept")) $("#live-kept").hidden = false;
  replacePanel(now, next);
  if (words) say(`${words}.${kept ? " What you typed is still there." : ""}`);
  else toast("The reviews of this patch changed.");
}
// The panel as it is now with what is typed; a form it has no more stays, locked, below what became of the patch.
function replacePanel(now, next) {
  const words = collect(now),
    at = document.activeElement,
    from = at.selectionStart,
    to = at.selectionEnd;
  replace(next);
  reveal(next);
  for (const { key } of restore(words, next)) {
    const form = $$("form", now).find((each) => keyOf(each) === key);
    if (!form) continue; // its part went with another form's
    if (!form.action.endsWith("/comments")) {
      for (const button of $$("button", form)) button.disabled = true;
      form.before(...($("#kept-note")?.content.cloneNode(true).children ?? []));
    }
    const part = document.createElement("div");
    part.className = "decision__part";
    part.append(...(form.closest(".disclosure") ? [form.closest(".disclosure")] : form.parentElement.childNodes));
    $$(".decision__part", next)[1].after(part);
  }
  const back = at.isConnected ? at : byId(at.id);
  if (back?.closest("#decision")) back.focus({ preventScroll: true });
  if (back?.matches("textarea")) back.setSelectionRange(from, to);
}
const cardsNow = (ids) => fragment(list().dataset.liveCards + query(ids));
async function present() {
  if (document.hidden) return;
  if (panel()) return replace($("#presence", await fragment(panel().dataset.presence, { method: "POST" })));
  if (list() && shown().length)
    for (const card of $$(".card", await cardsNow(shown()))) {
      const old = byId(card.id),
        fresh = $(".card__approvals", card);
      if (old && !$(".card__approvals", old).isEqualNode(fresh)) $(".card__approvals", old).replaceWith(fresh);
    }
}

on("click", (event) => {
  if (event.target.closest("#newpill")) before = new Set(shown());
});
on("htmx:afterSwap", ({ detail }) => {
  if (detail.target?.id !== "queue") return;
  arrived.clear();
  countSoon(); // the figures above the list are from before it
  if (before) for (const id of shown()) if (!before.has(id)) byId(`decision-${id}`).classList.add("is-new");
  before = null;
});

if (light() && (list() || panel())) {
  on("visibilitychange", () => {
    if (document.hidden) return close();
    if (!polling) open();
    else poll();
    attempt(present);
  });
  addEventListener("offline", () => {
    close();
    state("lost", "Offline");
  });
  addEventListener("online", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  $("#live-again").addEventListener("click", () => {
    close();
    open();
  });
  open();
  if (panel()) attempt(present);
  setInterval(() => attempt(present), panel() ? PRESENCE : 2 * PRESENCE);
}
