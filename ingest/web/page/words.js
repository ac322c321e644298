// Numbers and times as a person reads them. Times of the service are UTC; here they are those of the browser's zone.

const whole = new Intl.NumberFormat("en");
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

// The service's clock, which the browser's may differ from: set with every answer.
let ahead = 0;
export const setClock = (iso) => {
  ahead = Date.parse(iso) - Date.now();
};
export const now = () => Date.now() + ahead;

export const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));
export const short = (number) => (number < 100_000 ? whole.format(number) : compact.format(number));
export const counted = (number, noun, plural = `${noun}s`) => `${count(number)} ${number === 1 ? noun : plural}`;

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return "–";
  if (perSecond >= 10) return whole.format(Math.round(perSecond));
  return perSecond > 0 && perSecond < 0.1 ? "< 0.1" : one.format(perSecond);
}

export function bytes(number) {
  if (number === null || number === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = number;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${one.format(value)} ${units[unit]}`;
}

// A length of time in its two largest units.
export function lasting(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const left = Math.max(0, seconds);
  if (left < 0.001) return "0 s";
  if (left < 1) return `${Math.round(left * 1000)} ms`;
  if (left < 10) return `${one.format(left)} s`;
  const all = Math.floor(left);
  const parts = [
    [Math.floor(all / 86_400), "d"],
    [Math.floor(all / 3600) % 24, "h"],
    [Math.floor(all / 60) % 60, "min"],
    [all % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}

export const since = (iso) => (iso ? (now() - Date.parse(iso)) / 1000 : null);
export const ago = (iso) => {
  const seconds = since(iso);
  return seconds < 1 ? "just now" : `${lasting(Math.floor(seconds))} ago`;
};

export const utc = (iso) => `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;
export const atClock = (iso) => clock.format(new Date(iso));
export const atMinute = (moment) => minute.format(moment);
export const ofDay = (moment) => day.format(moment);

// The clock's time today, with the day before it else.
export function at(iso) {
  const then = new Date(iso);
  const today = new Date(now()).toDateString() === then.toDateString();
  return today ? clock.format(then) : `${day.format(then)}, ${clock.format(then)}`;
}

// A <time>: as `words` says, with the UTC in its title.
export function moment(iso, words = at) {
  const element = document.createElement("time");
  element.dateTime = iso;
  element.title = utc(iso);
  element.textContent = words(iso);
  return element;
}

// A store by the name that people know.
export const called = (store) => (store === "influxdb" ? "InfluxDB" : store);

// A sentence begins with a capital, and ends.
export const capital = (text) => (text ? (text[0].toUpperCase() + text.slice(1)).replace(/^Influxdb\b/, "InfluxDB") : "");
export const sentence = (text) => capital(text).replace(/(?<![.!?…:])$/, text ? "." : "");
