// The numbers that one looks at first.

import { byId, make, write } from "./dom.js";
import { history } from "./rates.js";
import { bytes, count, lasting, rate, short, since } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 150;
const HEIGHT = 30;

const tiles = new Map();

export function show(health, perSecond) {
  const database = health.database;
  const waiting = database.waiting_points;
  tile("Live changes", rate(perSecond("live")), "a second", `${count(Math.round(health.subscription.event_rate_per_minute))} in the last minute`);
  tile("Behind", ...behind(database, waiting));
  tile("Waiting", short(waiting), waiting === 1 ? "point" : "points", waits(health, waiting), database.failing_since ? "wait" : "");
  tile("Stored", short(health.totals.stored ?? 0), "since the start", lifetime(health));
  const usage = health.performance;
  tile("Memory", bytes(usage.memory_mb * 2 ** 20), "", `${usage.cpu_percent.toFixed(1)} % of a core`);
  sparkline();
}

// How far the store lags behind the home, and why.
function behind(database, waiting) {
  const took = database.last_delivery_seconds === null ? "nothing was delivered yet" : `the last delivery took ${lasting(database.last_delivery_seconds)}`;
  if (database.failing_since) return [lasting(Math.floor(since(database.failing_since))), "", "the store takes nothing", "bad"];
  if (!waiting) return ["0 s", "", took, ""];
  const seconds = database.last_stored ? since(database.last_stored) : null;
  return [seconds === null ? "–" : lasting(seconds), "", took, seconds > 10 ? "wait" : ""];
}

function waits(health, waiting) {
  if (!waiting) return "nothing";
  const spool = health.spool.points;
  return spool ? `${short(spool)} of them in the spool` : "on the way";
}

function lifetime(health) {
  const known = health.lifetime;
  return known ? `${short(known.stored)} in all runs` : `${short(health.totals.received)} received`;
}

function tile(name, figure, unit, note, tone = "") {
  let known = tiles.get(name);
  if (!known) {
    known = { figure: make("span", { cls: "figure" }), unit: make("span", { cls: "unit" }), note: make("dd", { cls: "note" }) };
    known.whole = make("div", { cls: "tile" }, make("dt", { text: name }), make("dd", {}, known.figure, " ", known.unit), known.note);
    tiles.set(name, known);
    byId("figures").append(known.whole);
  }
  write(known.figure, figure);
  write(known.unit, unit);
  write(known.note, note);
  known.whole.dataset.tone = tone;
}

// The rate of the last minutes, under the tile that tells it now.
let drawing = null;
function sparkline() {
  if (!drawing) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.classList.add("spark");
    const area = document.createElementNS(SVG, "path");
    const line = document.createElementNS(SVG, "path");
    area.classList.add("area");
    line.classList.add("curve");
    svg.append(area, line);
    drawing = { svg, area, line };
    tiles.get("Live changes").whole.append(make("dd", { cls: "drawn" }, svg));
  }
  const rates = history.map((each) => each.rate);
  const most = Math.max(1, ...rates);
  const step = WIDTH / Math.max(1, rates.length - 1);
  const points = rates.map((value, index) => `${(index * step).toFixed(1)} ${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`);
  const curve = points.length > 1 ? `M${points.join("L")}` : `M0 ${HEIGHT - 2}H${WIDTH}`;
  drawing.line.setAttribute("d", curve);
  drawing.area.setAttribute("d", `${curve}V${HEIGHT}H0Z`);
  // Nothing is asked while the page is hidden: the points are not all equally far apart.
  const span = lasting(history.length ? Math.round((history.at(-1).at - history[0].at) / 1000 + history[0].seconds) : 0);
  drawing.svg.setAttribute("aria-label", `Live changes a second over the last ${span}: now ${rate(rates.at(-1) ?? 0)}, at most ${rate(Math.max(0, ...rates))}.`);
}
