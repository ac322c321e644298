// What was refused, with the command that tries it again; and what went wrong lately, with what to do about it.

import { byId, make, prose, refill, write } from "./dom.js";
import { count, counted, moment, sentence } from "./words.js";

const SHOWN = 6;

// An answer of /api/v1/dead-letters; `problem` says why there is none.
export function letters(answer, problem) {
  if (problem) write(byId("refused-says"), problem);
  if (!answer) return;
  const { dead_letters: found, total } = answer;
  const here = Math.min(found.length, SHOWN);
  const more = total > here ? `, the newest ${count(here)} here` : "";
  if (!problem) write(byId("refused-says"), total ? `${counted(total, "line")} refused${more}. Fix the cause, then try again.` : "None: the store refused nothing.");
  refill(byId("letters"), [found, total], () => [...found.slice(0, SHOWN).map(letter), rest(total - here, "homeiq-ingest dead-letters list")]);
}

function letter(each) {
  return make(
    "li", {},
    make("p", { cls: "head" }, make("strong", { text: each.entity_id || `letter ${each.number}` }), moment(each.at)),
    make("p", { cls: "why", text: each.reason }),
    make("p", { cls: "excerpt", title: each.excerpt }, make("code", { text: each.excerpt })),
    make("p", { cls: "deed" }, make("span", { cls: "quiet", text: `refused by ${each.stage}` }), command(each)),
  );
}

// A change that never became a line cannot be sent again: it can be looked at.
function command(each) {
  const verb = each.excerpt.startsWith("{") ? "show" : "retry";
  const words = `homeiq-ingest dead-letters ${verb} ${each.number}`;
  const whole = make("span", { cls: "command" }, make("code", { text: words }));
  if (navigator.clipboard) {
    const button = make("button", { type: "button", cls: "plain", text: "Copy", label: `Copy: ${words}` });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(words).then(() => write(button, "Copied"), () => write(button, "Cannot copy"));
      setTimeout(() => write(button, "Copy"), 2000);
    });
    whole.append(button);
  }
  return whole;
}

// What the service tells of errors, the newest first. The same one again is one, with how often, whatever numbers are in it.
export function problems(errors) {
  const kinds = new Map();
  for (const each of [...errors.recent].sort((a, b) => b.at.localeCompare(a.at))) {
    const kind = `${each.category} ${each.error.replaceAll(/\d+/g, "#")}`;
    const same = kinds.get(kind);
    if (same) same.times += 1;
    else kinds.set(kind, { ...each, times: 1 });
  }
  const found = [...kinds.values()];
  const total = Object.values(errors.categories).reduce((sum, each) => sum + each.total, 0);
  write(byId("errors-says"), total ? `${counted(total, "error")} since the start.` : "None since the start.");
  refill(byId("problems"), found, () => [...found.slice(0, SHOWN).map(problem), rest(found.length - SHOWN, "journalctl -u homeiq-ingest")]);
}

function rest(more, where) {
  return more > 0 ? make("li", { cls: "quiet" }, `and ${count(more)} more: `, make("code", { text: where })) : "";
}

function problem(each) {
  const often = each.times > 1 ? ` × ${count(each.times)}` : "";
  return make(
    "li", {},
    make("p", { cls: "head" }, make("strong", { text: `${each.category}${often}` }), moment(each.at)),
    make("p", { cls: "why" }, ...prose(sentence(each.error))),
    each.remedy ? make("p", { cls: "deed" }, make("span", {}, ...prose(sentence(each.remedy)))) : null,
  );
}
