// The house as it is: who is at home, the climate, lights, what is on. Seeded by the service, then kept current by it.

import { byId, make, refill, write } from "./dom.js";
import { answer, words } from "./service.js";
import { keep } from "./socket.js";
import { at, count, lasting, sentence } from "./words.js";

const RETRY = 60_000; // milliseconds, where this service tells of no house
const SOON = 5_000; // where it cannot tell yet
const SHOWN = 8; // of each kind

let house = null;
let following = false;

ask();

// First as a question: a service that tells no house status says so without a socket that fails.
async function ask() {
  try {
    house = await answer("api/status/house");
  } catch (problem) {
    return askLater(problem);
  }
  draw();
  if (!following) follow();
}

function askLater(problem) {
  const none = problem.status === 404;
  const why = none ? "this service tells no house status" : (problem.told ?? `the house status cannot be read now: ${words(problem)}`);
  const wait = none ? RETRY : SOON;
  write(byId("house-says"), `${sentence(why)} Next attempt in ${lasting(wait / 1000)}.`);
  setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", ask, { once: true }) : ask()), wait);
}

function follow() {
  following = true;
  keep("ws/status", { heard, state });
}

function heard(message) {
  if (message.type === "snapshot") house = message.data;
  else if (message.type === "delta" && house) house = { ...house, [message.section]: message.data };
  else return;
  draw();
}

function state(how, seconds) {
  if (how === "waiting") write(byId("house-says"), `As it was a moment ago; next attempt to follow in ${lasting(Math.max(1, Math.round(seconds)))}.`);
}

function draw() {
  if (!house) return;
  const sections = [
    ["At home", presence(house.presence)],
    ["Climate", climate(house.climate)],
    ["Lights", lights(burning(house.lights_by_area))],
    ["Switched on", names(house.switches_on)],
    ["Automations running", names(house.active_automations)],
    ...Object.entries(house.sensors ?? {}).map(([kind, list]) => [kind.replaceAll("_", " ") || "other", sensors(unusual(list))]),
  ].filter(([, rows]) => rows.length);
  const current = house.connected === false ? `As it was when Home Assistant was last heard${house.as_of ? `, ${at(house.as_of)}` : ""}.` : "As Home Assistant tells it, this moment.";
  write(byId("house-says"), sections.length ? current : "Nothing is known of the house yet.");
  refill(byId("rooms"), sections, () => sections.map(([title, rows]) => card(title, rows)));
}

function card(title, rows) {
  const list = make("dl", { cls: "facts" });
  for (const [name, value] of rows.slice(0, SHOWN)) list.append(make("div", {}, make("dt", { text: name }), make("dd", { text: value })));
  const more = rows.length > SHOWN ? make("p", { cls: "quiet", text: `and ${count(rows.length - SHOWN)} more` }) : null;
  return make("article", { cls: "card" }, make("h3", { text: title }), list, more);
}

// Few are shown: those first that are not as most are, so that the one open window is seen among forty.
function unusual(list) {
  const often = new Map();
  for (const { state } of listed(list)) often.set(state, (often.get(state) ?? 0) + 1);
  return [...listed(list)].sort((a, b) => often.get(a.state) - often.get(b.state));
}

const burning = (list) => [...listed(list)].sort((a, b) => Boolean(b.on_count) - Boolean(a.on_count));

const text = (value) => String(value ?? "–");
const listed = (list) => (Array.isArray(list) ? list : []);
const named = (each) => (typeof each === "string" ? each : text(each.friendly_name ?? each.name ?? each.entity_id));

const presence = (list) => listed(list).map((each) => [named(each), text(each.state).replaceAll("_", " ")]);

const climate = (list) =>
  listed(list).map((each) => {
    const unit = `°${(each.unit ?? "").replace("°", "")}`;
    const target = each.target_temperature === null || each.target_temperature === undefined ? "" : ` → ${each.target_temperature}`;
    return [named(each), `${text(each.current_temperature)}${target} ${unit}, ${text(each.hvac_mode).replaceAll("_", " ")}`];
  });

const lights = (list) =>
  listed(list).map((each) => {
    const on = each.on_count ? `${count(each.on_count)} on, ${count(each.off_count)} off` : "off";
    return [text(each.area), each.unavailable_count ? `${on}, ${count(each.unavailable_count)} unavailable` : on];
  });

const names = (list) => listed(list).map((each) => [named(each), ""]);

const sensors = (list) => listed(list).map((each) => [named(each), [text(each.state), each.unit ?? ""].join(" ").trim()]);
