// Rates, from what was counted in two answers: the service counts since its start, and we see the difference.

const WINDOW = 10_000; // milliseconds that a rate is measured over
const KEPT = 150; // points of the sparkline: five minutes of a page that is looked at

let samples = [];
export let history = []; // {at, seconds, rate}: when it was measured, over how long, live changes a second

// Take an answer in. Returns a function: what is counted under a name, a second; null until there are two answers.
export function measured(health) {
  const last = samples.at(-1);
  if (last && health.uptime_seconds < last.uptime) {
    samples = [];
    history = [];
  }
  const counts = { ...health.totals, live: health.subscription.events_by_type.state_changed ?? 0 };
  const sample = { at: Date.parse(health.timestamp), uptime: health.uptime_seconds, counts };
  if (last && samples.length > 0) {
    const seconds = (sample.at - last.at) / 1000;
    if (seconds > 0) history = [...history, { at: sample.at, seconds, rate: Math.max(0, counts.live - last.counts.live) / seconds }].slice(-KEPT);
  }
  samples = [...samples.filter((each) => each.at > sample.at - WINDOW), sample];
  const first = samples[0];
  const seconds = (sample.at - first.at) / 1000;
  return (name) => (seconds > 0 ? Math.max(0, ((counts[name] ?? 0) - (first.counts[name] ?? 0)) / seconds) : null);
}
