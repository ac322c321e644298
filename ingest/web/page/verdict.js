// In words: is all well, and if not, what is to be done.

import { byId, make, prose, refill, shown, write } from "./dom.js";
import { at, lasting, sentence, utc } from "./words.js";

const HEADLINES = {
  healthy: ["good", "All is well."],
  degraded: ["wait", "Nothing is lost, but something waits or is unusual."],
  unhealthy: ["bad", "Something is wrong."],
};

const BY_ITSELF = "Nothing, for now: what waits is kept, and the service tries again by itself.";

let told = "";

export function show(health) {
  const [tone, headline] = HEADLINES[health.status] ?? ["bad", `The service says “${health.status}”.`];
  const remedies = health.remedies?.length || health.status !== "degraded" ? (health.remedies ?? []) : [BY_ITSELF];
  say(tone, headline, health.reason ? health.reason.split("; ") : [], remedies);
  write(byId("asked"), `Up for ${lasting(Math.floor(health.uptime_seconds))}, asked every 2 s.`);
}

// Nobody answers: `since` is when the last answer came, in milliseconds of the browser; null: there was none.
export function gone(since, why) {
  const when = since === null ? "" : ` since ${at(new Date(since).toISOString())}`;
  const remedy = "See whether it runs: systemctl status homeiq-ingest, or its log. What is below is the last that it told.";
  say("bad", `No answer from the service${when}.`, [why], [since === null ? "See whether it runs." : remedy]);
  byId("asked").title = since === null ? "" : utc(new Date(since).toISOString());
  write(byId("asked"), since === null ? "Asked every 2 s." : `${lasting(Math.floor((Date.now() - since) / 1000))} without an answer; asked every 2 s.`);
}

function say(tone, headline, reasons, remedies) {
  const section = byId("verdict");
  if (section.dataset.tone !== tone) section.dataset.tone = tone;
  write(byId("headline"), headline);
  const lines = reasons.map(sentence);
  refill(byId("reasons"), lines, () => lines.map((text) => make("li", {}, ...prose(text))));
  shown(byId("todo"), remedies.length > 0);
  refill(byId("remedies"), remedies, () => remedies.map((text) => make("li", {}, ...prose(sentence(text)))));
  document.title = `${{ good: "✓", wait: "…", bad: "!" }[tone]} homeiq-ingest`;
  announce([headline, ...lines, ...remedies].join(" "));
}

// Read out only when the words change: a number in them changes with every answer.
function announce(text) {
  const words = text.replaceAll(/\d[\d:.,]*/g, "#");
  if (words === told) return;
  told = words;
  byId("said").textContent = text;
}
