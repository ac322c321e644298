// The gaps on a timeline, each with its text under it, and all of them as a table.

import { byId, make, refill, shown, write } from "./dom.js";
import { at, atMinute, capital, count, counted, lasting, moment, now, ofDay } from "./words.js";

const DAY = 86_400_000;
const LEAST = 0.6; // per cent of the timeline that a gap takes at least: a second of seven days is to be seen, too
const URGENT = ["filled", "partly", "unfillable", "filling", "open"];

let known = null;
let days = 1;
let chosen = null;

for (const radio of document.querySelectorAll('input[name="span"]')) {
  radio.addEventListener("change", () => {
    days = Number(radio.value);
    draw();
  });
}

// An answer of /api/v1/gaps; `problem` says why there is none.
export function show(answer, problem) {
  if (answer) known = answer;
  if (problem) write(byId("gaps-says"), problem);
  for (const part of ["timeline", "gap-legend", "gap-span", "gaps-all"]) shown(byId(part), known !== null);
  draw(problem);
}

export const lasts = (gap) => (Date.parse(gap.to) - Date.parse(gap.from)) / 1000;

function said(gap) {
  const missed = gap.entities ? `${counted(gap.entities, "entity", "entities")}, ${counted(gap.states_filled, "state")} filled` : "nothing was missed";
  return `Gap ${gap.number}, ${gap.state}: ${at(gap.from)}, for ${lasting(lasts(gap))}. ${capital(gap.cause)}; ${missed}${gap.reason ? `. ${capital(gap.reason)}` : ""}.`;
}

function draw(problem) {
  if (!known) return;
  const end = now();
  const begin = end - days * DAY;
  const inside = known.gaps.filter((gap) => Date.parse(gap.to) >= begin);
  if (!problem) write(byId("gaps-says"), summary(inside));
  const tick = Math.floor(end / 60_000); // the picture moves once a minute, so that a focus is not lost each time
  const line = byId("timeline");
  const held = line.contains(document.activeElement);
  refill(line, [inside, days, tick], () => [axis(begin, end), ...bars(inside, begin, end)]);
  if (held && !line.contains(document.activeElement)) line.querySelector(".gap[tabindex='0']")?.focus({ preventScroll: true });
  refill(byId("gap-rows"), known.gaps, () => known.gaps.map(row));
  told(inside.find((gap) => gap.number === chosen));
}

function summary(inside) {
  const span = days === 1 ? "the last 24 hours" : "the last 7 days";
  if (!known.total) return "There are no gaps: nothing can have been missed.";
  if (!inside.length) return `None in ${span}; ${counted(known.total, "older one")} in the table.`;
  const counts = Object.entries(Object.groupBy ? Object.groupBy(inside, (gap) => gap.state) : grouped(inside));
  return `${capital(span)}: ${counts.map(([state, list]) => `${count(list.length)} ${state}`).join(", ")}. ${known.total > inside.length ? `${count(known.total)} in all.` : ""}`;
}

function grouped(list) {
  const groups = {};
  for (const gap of list) (groups[gap.state] ??= []).push(gap);
  return groups;
}

function axis(begin, end) {
  const step = days === 1 ? 3 * 3_600_000 : DAY;
  const list = make("div", { cls: "axis", "aria-hidden": "true" });
  const first = new Date(end);
  first.setHours(days === 1 ? Math.floor(first.getHours() / 3) * 3 : 0, 0, 0, 0);
  for (let time = first.getTime(); time > begin; time -= step) {
    const share = ((time - begin) / (end - begin)) * 100;
    if (share < 2 || share > 97) continue;
    const mark = make("span", { text: days === 1 ? atMinute(time) : ofDay(time) });
    mark.style.left = `${share}%`;
    mark.classList.toggle("late", share > 84); // where a narrow screen has no room beside "now"
    list.append(mark);
  }
  list.append(make("span", { cls: "now", text: "now" }));
  return list;
}

function bars(inside, begin, end) {
  const whole = end - begin;
  const sorted = [...inside].sort((a, b) => URGENT.indexOf(a.state) - URGENT.indexOf(b.state));
  const buttons = sorted.map((gap) => {
    const from = Math.max(begin, Date.parse(gap.from));
    const width = Math.max(LEAST, ((Date.parse(gap.to) - from) / whole) * 100);
    const left = Math.min(100 - width, ((from - begin) / whole) * 100);
    const button = make("button", { type: "button", cls: "gap", "data-state": gap.state, label: said(gap), tabindex: "-1" });
    if (!gap.entities) button.dataset.empty = "";
    button.style.left = `${left}%`;
    button.style.width = `${width}%`;
    button.gap = gap;
    for (const event of ["focus", "mouseenter", "click"]) button.addEventListener(event, () => choose(button));
    return button;
  });
  const inTime = [...buttons].sort((a, b) => a.gap.from.localeCompare(b.gap.from) || a.gap.number - b.gap.number);
  inTime.forEach((button, index) => button.addEventListener("keydown", (event) => step(event, inTime, index)));
  const stop = inTime.find((button) => button.gap.number === chosen) ?? inTime.at(-1);
  if (stop) stop.tabIndex = 0;
  return buttons;
}

// One stop of the Tab key for all of them; arrows go on from there.
function step(event, inTime, index) {
  const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: inTime.length - 1 }[event.key];
  if (to === undefined || !inTime[to]) return;
  event.preventDefault();
  inTime[to].focus();
}

function choose(button) {
  for (const each of byId("timeline").querySelectorAll(".gap")) {
    each.tabIndex = each === button ? 0 : -1;
    each.classList.toggle("chosen", each === button);
  }
  chosen = button.gap.number;
  told(button.gap);
}

function told(gap) {
  write(byId("gap-told"), gap ? said(gap) : "");
}

function row(gap) {
  const state = make("span", { cls: "state", "data-state": gap.state, text: gap.state });
  const cause = gap.reason ? `${gap.cause}; ${gap.reason}` : gap.cause;
  return make(
    "tr", {},
    make("th", { scope: "row", text: String(gap.number) }),
    make("td", {}, moment(gap.from)),
    make("td", { text: lasting(lasts(gap)) }),
    make("td", { cls: "cause", text: cause }),
    make("td", {}, state),
    make("td", { cls: "number", text: count(gap.entities) }),
    make("td", { cls: "number", text: count(gap.states_filled) }),
  );
}
