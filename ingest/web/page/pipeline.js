// The pipeline as it is drawn in the design: stages with what they do, queues with what they hold.

import { byId, make, write } from "./dom.js";
import { ago, bytes, called, count, counted, lasting, rate, sentence, short, since } from "./words.js";

const SESSIONS = { live: "connected" };

// Name, kind, and what it says: {figure, unit, notes, tone, level, peak}; level and peak are parts of a queue's capacity.
const STOPS = [
  ["Home Assistant", "place", home],
  ["connector", "stage", connector],
  ["intake", "queue", (health) => queue(intake(health), "changes")],
  ["filter", "stage", filter],
  ["link", "queue", (health) => queue(link(health), "points")],
  ["batcher", "stage", batcher],
  ["spool", "queue", spool],
  ["writer", "stage", writer],
  ["store", "place", store],
];

// A store's link has the name of the store.
const named = (health, name) => health.queues.find((each) => each.name === name);
const intake = (health) => named(health, "intake");
const link = (health) => named(health, health.database.name);

const drawn = [];

export function show(health, perSecond) {
  const said = STOPS.map(([, , says]) => says(health, perSecond));
  STOPS.forEach(([name, kind], index) => draw(index, name, kind, said[index]));
  flow(perSecond);
  const waits = said.find((each) => each.why);
  write(byId("pipeline-lead"), waits ? waits.why : "Every change takes this way, from Home Assistant to the database.");
}

// What moves on the way to each next stop: to the filter what comes in, to the spool what is left of it, then what is stored.
function flow(perSecond) {
  const moving = [perSecond("received"), passed(perSecond), perSecond("stored")].map((rate) => rate > 0);
  drawn.forEach(({ whole }, index) => whole.classList.toggle("flows", moving[Math.floor(index / 3)]));
}

const passed = (perSecond) => (perSecond("received") === null ? null : Math.max(0, perSecond("received") - perSecond("filtered") - perSecond("repeated")));

function draw(index, name, kind, said) {
  if (!drawn[index]) drawn[index] = stop(name, kind);
  const known = drawn[index];
  known.whole.dataset.tone = said.tone ?? "good";
  write(known.figure, said.figure);
  write(known.unit, said.unit ?? "");
  said.notes.slice(0, 2).forEach((note, place) => write(known.notes[place], note ?? ""));
  if (kind !== "queue") return;
  known.level.style.width = `${part(said.level)}%`;
  known.level.hidden = !said.level;
  known.peak.style.left = `${part(said.peak)}%`;
  known.peak.hidden = !(said.peak > 0.02);
}

const part = (share) => Math.min(100, Math.max(0, (share ?? 0) * 100)).toFixed(1);

function stop(name, kind) {
  const figure = make("span", { cls: "figure" });
  const unit = make("span", { cls: "unit" });
  const notes = [make("p", { cls: "note" }), make("p", { cls: "note" })];
  const level = make("span", { cls: "level" });
  const peak = make("span", { cls: "peak" });
  const mark = make("span", { cls: "mark", "aria-hidden": "true" });
  if (kind === "queue") mark.append(level, peak);
  const told = make("div", { cls: "told-here" }, make("h3", { text: name }), make("p", { cls: "reading" }, figure, " ", unit), ...notes);
  const whole = make("li", { cls: "stop", "data-kind": kind }, mark, told);
  byId("line").append(whole);
  return { whole, figure, unit, notes, level, peak };
}

function home(health) {
  const current = health.connection.candidates.find((each) => each.state === health.connection.current_state) ?? health.connection.candidates[0];
  const connected = health.subscription.is_subscribed;
  return {
    figure: connected ? "connected" : (SESSIONS[current.state] ?? current.state),
    notes: [current.name, connected ? "" : current.problem],
    tone: connected ? "good" : "bad",
    why: connected ? "" : sentence(`nothing comes in: ${current.problem || `the connection is ${current.state}`}`),
  };
}

function connector(health, perSecond) {
  const connection = health.connection;
  const since = connection.last_successful && health.subscription.is_subscribed ? `connected ${ago(connection.last_successful)}` : "not connected";
  return {
    figure: rate(perSecond("received")),
    unit: "/s in",
    notes: [since, connection.failed_connections ? counted(connection.failed_connections, "failed attempt") : ""],
    tone: health.subscription.is_subscribed ? "good" : "bad",
  };
}

function queue(held, what) {
  if (!held) return { figure: "–", notes: [""], tone: "idle" };
  const level = Math.max(held.events / held.capacity_events, held.bytes / held.capacity_bytes);
  const peak = Math.max(held.peak_events / held.capacity_events, held.peak_bytes / held.capacity_bytes);
  const full = level >= 1;
  return {
    figure: short(held.events),
    unit: what,
    notes: [`peak ${short(held.peak_events)}`, `room for ${short(held.capacity_events)}`],
    level,
    peak,
    tone: full ? "bad" : level > 0.5 ? "wait" : "good",
    why: full ? `The queue “${held.name}” is full.` : "",
  };
}

function filter(health, perSecond) {
  const { filtered = 0, repeated = 0 } = health.totals;
  return { figure: rate(passed(perSecond)), unit: "/s pass", notes: [`${short(filtered)} left out`, `${short(repeated)} repeated`] };
}

function batcher(health) {
  const open = Math.max(0, health.database.waiting_points - (link(health)?.events ?? 0) - health.spool.points);
  return { figure: short(open), unit: open === 1 ? "point" : "points", notes: ["in the open batch"] };
}

function spool(health) {
  const { points, bytes: size, limit_bytes: limit, batches, oldest, failing } = health.spool;
  const database = health.database;
  const stuck = points > 0 && database.failing_since;
  return {
    figure: short(points),
    unit: points === 1 ? "point" : "points",
    notes: [points && oldest ? `oldest of ${ago(oldest)}` : `${short(batches ?? 0)} batches`, limit ? `${bytes(size)} of ${bytes(limit)}` : bytes(size)],
    level: limit ? size / limit : 0,
    tone: failing ? "bad" : stuck ? "wait" : "good",
    why: stuck ? sentence(`${counted(points, "point")} ${points === 1 ? "waits" : "wait"} in the spool, because ${called(database.name)} takes none: ${database.reason}`) : "",
  };
}

function writer(health, perSecond) {
  const { last_delivery_seconds: took, circuit_breaker: breaker, failing_since: failing } = health.database;
  return {
    figure: rate(perSecond("stored")),
    unit: "/s stored",
    notes: [failing ? `${count(breaker.failure_count)} attempts in vain` : took === null ? "" : `last took ${lasting(took)}`, failing ? `circuit ${breaker.state.replace("_", " ")}` : ""],
    tone: failing ? "wait" : "good",
  };
}

function store(health) {
  const { name, reachable, failing_since: failing, last_stored: last } = health.database;
  const words = { true: "takes points", false: failing ? `away for ${lasting(Math.floor(since(failing)))}` : "silent", null: "not asked yet" };
  return {
    figure: called(name),
    notes: [words[String(reachable)], last ? `last stored ${ago(last)}` : ""],
    tone: reachable === false ? "bad" : reachable ? "good" : "idle",
  };
}
