// Changes as they come, with what the filter said of each. The service sends them four times a second; the newest are kept.

import { byId, make, shown, write } from "./dom.js";
import { keep } from "./socket.js";
import { atClock, counted, lasting, moment } from "./words.js";

const KEPT = 100;
const SETTLED = 600; // milliseconds without another key: each change of the filter costs two of 60 messages a minute
const ALL = ["*"];

let channels = ALL;
let paused = false;
let rows = [];
let passed = 0;
let due = 0;
let timer = 0;
let status = "";

const send = keep("ws", { opened: subscribe, heard, state });

byId("tail-form").addEventListener("submit", (event) => {
  event.preventDefault();
  choose();
});
byId("tail-filter").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(choose, SETTLED);
});
byId("tail-pause").addEventListener("click", () => {
  paused = !paused;
  byId("tail-pause").setAttribute("aria-pressed", String(paused));
  write(byId("tail-pause"), paused ? "Go on" : "Pause");
  say();
});

function choose() {
  clearTimeout(timer);
  const words = byId("tail-filter").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const wanted = words.length ? [...new Set(words)] : ALL;
  if (wanted.join() === channels.join()) return;
  send({ type: "unsubscribe", channels });
  channels = wanted;
  rows = [];
  passed = 0;
  byId("tail").replaceChildren();
  subscribe();
}

function subscribe() {
  send({ type: "subscribe", channels, correlation_id: "tail" });
}

function heard(message) {
  if (message.type === "error") status = `The service says: ${message.message}`;
  else if (message.type === "subscription") status = "";
  else if (message.type === "events" && Array.isArray(message.events)) take(message.events, message.omitted ?? 0);
  else return;
  say();
}

function state(how, seconds, stood, reason) {
  if (how === "open") status = "";
  else if (how === "hidden") status = "Resting while the page is hidden.";
  else {
    const why = stood ? `The live view was closed${reason ? ` (${reason})` : ""}` : "There is no live view here: this service has none, or something in between passes no WebSockets";
    status = `${why}. Next attempt in ${lasting(Math.max(1, Math.round(seconds)))}.`;
  }
  say();
}

// `omitted` are those that came at the same time and are too many for one message.
function take(events, omitted) {
  passed += events.length + omitted;
  if (paused) return;
  rows = [...events.slice(-KEPT).reverse(), ...rows].slice(0, KEPT);
  if (!due) due = requestAnimationFrame(draw);
}

// Only what is new is made; the old rows stay as they are.
const drawn = new WeakMap();
function draw() {
  due = 0;
  const list = byId("tail");
  const wanted = new Set(rows.map((each) => drawn.get(each)).filter(Boolean));
  for (const old of [...list.children]) if (!wanted.has(old)) old.remove();
  const fresh = rows.filter((each) => !drawn.has(each));
  for (const each of fresh) drawn.set(each, row(each));
  list.prepend(...fresh.map((each) => drawn.get(each)));
}

function say() {
  const what = channels === ALL ? "everything" : channels.join(", ");
  const listening = passed ? `${counted(passed, "change")} of ${what}${paused ? ", paused" : ""}.` : `Listening to ${what}; nothing came yet.`;
  write(byId("tail-says"), status || listening);
  shown(byId("tail-box"), rows.length > 0 || !status);
}

function row(event) {
  const verdict = event.verdict ?? "stored";
  const value = [event.state, event.unit].filter((each) => each !== null && each !== undefined && each !== "").join(" ");
  const rule = event.rule ? `${verdict}: ${event.rule}` : verdict;
  return make(
    "li", { "data-verdict": verdict },
    time(event.last_updated),
    make("span", { cls: "whose", title: event.entity_id }, make("b", { text: event.name || event.entity_id }), " ", make("span", { cls: "quiet", text: event.name ? event.entity_id : "" })),
    make("span", { cls: "value" }, make("s", { text: event.previous_state === event.state ? "" : (event.previous_state ?? "") }), " ", make("span", { text: value })),
    make("span", { cls: "tag", "data-verdict": verdict, text: rule }),
  );
}

const time = (iso) => (iso && !Number.isNaN(Date.parse(iso)) ? moment(iso, atClock) : make("span", { text: "–" }));
