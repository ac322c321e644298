// Elements and words. Nothing of the service is ever markup here: names, states and errors come from outside, and go
// into the page as text only.

import { moment } from "./words.js";

export const byId = (id) => document.getElementById(id);

// An element with classes and children; a string is text.
export function make(tag, { text, title, label, ...data } = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (title) element.title = title;
  if (label) element.setAttribute("aria-label", label);
  for (const [name, value] of Object.entries(data)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "cls") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((each) => each !== null && each !== undefined));
  return element;
}

// What a sentence of the service holds beside words: `commands` between backticks, and times in UTC.
const SPECIAL = /(`[^`]*`|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)/;

// A sentence as nodes, its times in the browser's zone.
export function prose(text) {
  return String(text ?? "")
    .split(SPECIAL)
    .map((part) => {
      if (part.startsWith("`") && part.endsWith("`") && part.length > 1) return make("code", { text: part.slice(1, -1) });
      return SPECIAL.test(part) ? moment(part.replace(" ", "T").replace(" UTC", "Z")) : document.createTextNode(part);
    });
}

// Set only what differs: what did not change is not read out again, and keeps its selection.
export function write(element, text) {
  const said = String(text ?? "");
  if (element.textContent !== said) element.textContent = said;
}

// Show or hide.
export function shown(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

// New children in the place of the old, when `of` says that anything is new.
const before = new WeakMap();
export function refill(element, of, build) {
  const now = JSON.stringify(of);
  if (before.get(element) === now) return;
  before.set(element, now);
  element.replaceChildren(...build());
}

// The rows of a definition list, kept in place: [name, value or element, tone].
export function facts(list, rows) {
  const wanted = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  wanted.forEach(([name, value, tone], index) => {
    let row = list.children[index];
    if (!row) {
      row = make("div", {}, make("dt"), make("dd"));
      list.append(row);
    }
    const [term, told] = row.children;
    write(term, name);
    if (tone) row.dataset.tone = tone;
    else delete row.dataset.tone;
    if (value instanceof Node) {
      if (told.textContent !== value.textContent || told.firstElementChild?.title !== value.title) told.replaceChildren(value);
    } else write(told, value);
  });
}
