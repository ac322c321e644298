// The database, the spool and Home Assistant: what waits there, since when, and why.

import { byId, facts, make, shown, write } from "./dom.js";
import { ago, bytes, called, count, counted, lasting, moment, sentence, since } from "./words.js";

export function show(health) {
  database(health.database);
  spool(health.spool, health.database);
  home(health);
}

function database(known) {
  const failing = known.failing_since;
  const says = known.reachable === null ? "Nothing was delivered yet." : known.reachable ? "It takes every point." : sentence(known.reason || "it does not answer");
  tell("database", says, known.reachable === false ? "bad" : known.reachable ? "good" : "idle");
  facts(byId("database"), [
    ["What", called(known.name)],
    ["Where", known.where],
    ["Takes nothing since", failing && told(failing), "bad"],
    ["What to do", known.remedy, "bad"],
    ["Waiting", counted(known.waiting_points, "point"), known.waiting_points && failing ? "wait" : ""],
    ["Attempts", failing && `${count(known.circuit_breaker.failure_count)} in vain, circuit ${known.circuit_breaker.state.replace("_", " ")}`],
    ["Last stored", known.last_stored && told(known.last_stored)],
    ["Last delivery", known.last_delivery_seconds === null ? "" : `took ${lasting(known.last_delivery_seconds)}`],
  ]);
}

// What waits, since when and why.
function spool(known, store) {
  const why = store.failing_since ? ` because ${called(store.name)} takes none: ${store.reason}` : " on the way to the store";
  const says = known.failing ? `In memory only: ${known.failing}` : known.points ? sentence(`${counted(known.points, "point")} ${known.points === 1 ? "waits" : "wait"}${why}`) : "Nothing waits.";
  tell("spool", says, known.failing ? "bad" : known.points && store.failing_since ? "wait" : "good");
  const share = known.limit_bytes ? known.bytes / known.limit_bytes : 0;
  facts(byId("spool"), [
    ["Holds", known.batches === null ? bytes(known.bytes) : `${bytes(known.bytes)} in ${known.batches === 1 ? "1 batch" : `${count(known.batches)} batches`}`],
    ["Room", known.limit_bytes && `${bytes(known.limit_bytes)}, ${part(share)} used`],
    ["Oldest", known.oldest && told(known.oldest)],
    ["Comes in", known.bytes_per_second && `${bytes(known.bytes_per_second)} a second`],
    ["Lasts for", known.days_left && lasting(Math.round(known.days_left * 86_400)), known.days_left < 1 ? "wait" : ""],
    ["Dead letters", known.dead_letters === null ? "" : count(known.dead_letters), known.dead_letters ? "wait" : ""],
    ["Dead letters in memory", known.dead_letters_failing, "bad"],
    ["Ledger in memory", known.ledger_failing, "bad"],
  ]);
}

const part = (share) => (share > 0 && share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`);

function home(health) {
  const connection = health.connection;
  const known = health.registries;
  const subscribed = health.subscription.is_subscribed;
  const problems = connection.candidates.filter((each) => each.problem);
  tell("home", subscribed ? "Every change reaches us." : sentence(`not connected: ${problems.map((each) => each.problem).join("; ") || connection.current_state}`), subscribed ? "good" : "bad");
  facts(byId("home"), [
    ...connection.candidates.map((each) => [each.name, each.state === "live" ? "connected" : `${each.state}, ${count(each.failed)} of ${counted(each.attempts, "attempt")} in vain`, each.state === "live" ? "" : each.problem ? "bad" : ""]),
    ["Connected", connection.last_successful && subscribed && told(connection.last_successful)],
    ["Last change", health.subscription.last_event && told(health.subscription.last_event)],
    ["Knows", known.entities && `${counted(known.entities, "entity", "entities")}, ${counted(known.devices, "device")}, ${counted(known.areas, "area")}`],
    ["Registries", known.failing ? `cannot be read: ${known.failing}` : known.as_of && `read ${ago(known.as_of)}`, known.failing ? "wait" : ""],
    ["data-api", health.data_api && (health.data_api.reachable === false ? health.data_api.reason : `told of everything but ${count(health.data_api.waiting)}`), health.data_api?.reachable === false ? "wait" : ""],
  ]);
}

function tell(name, text, tone) {
  const element = byId(`${name}-says`);
  element.dataset.tone = tone;
  shown(element, Boolean(text));
  write(element, text);
}

// A moment with how long ago it is.
function told(iso) {
  const seconds = since(iso);
  return make("span", {}, moment(iso), seconds < 1 ? ", just now" : `, ${lasting(Math.floor(seconds))} ago`);
}
