// The page: asks the service every two seconds while somebody looks, and hands the answers out.

import * as figures from "./figures.js";
import * as gaps from "./gaps.js";
import "./house.js";
import * as pipeline from "./pipeline.js";
import { measured } from "./rates.js";
import * as records from "./records.js";
import { answer, words } from "./service.js";
import * as store from "./store.js";
import "./tail.js";
import { byId, write } from "./dom.js";
import { setClock } from "./words.js";
import * as verdict from "./verdict.js";

const EVERY = 2_000; // milliseconds between two questions
const ANEW = 30_000; // after which gaps and letters are read again though no count of them changed
const AGAIN = 8_000; // or when they could not be read

let last = null;
let timer = 0;
let asking = false;

async function ask() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  try {
    const health = await answer("health/detailed");
    last = Date.now();
    show(health);
  } catch (problem) {
    document.body.classList.add("stale");
    verdict.gone(last, words(problem));
  } finally {
    asking = false;
    if (!document.hidden) timer = setTimeout(ask, EVERY);
  }
}

function show(health) {
  document.body.classList.remove("stale");
  setClock(health.timestamp);
  const perSecond = measured(health);
  write(byId("version"), health.version);
  verdict.show(health);
  figures.show(health, perSecond);
  pipeline.show(health, perSecond);
  store.show(health);
  records.problems(health.errors);
  gapList.want(health.gaps, health.gaps.open !== null);
  letterList.want(health.spool.dead_letters, health.spool.dead_letters !== null);
}

// A list that the service keeps, with some stores: read when what it counts of it changes, and now and then.
function list(path, take, without) {
  let counted = null;
  let due = 0;
  let reading = false;
  return {
    async want(counts, kept) {
      if (!kept) return take(null, without);
      const now = JSON.stringify(counts);
      if (reading || (now === counted && Date.now() < due)) return;
      counted = now;
      reading = true;
      try {
        take(await answer(path));
        due = Date.now() + ANEW;
      } catch (problem) {
        take(null, `They cannot be read now: ${words(problem)}`);
        due = Date.now() + AGAIN;
      } finally {
        reading = false;
      }
    },
  };
}

const gapList = list("api/v1/gaps?limit=200", gaps.show, "Gaps are not kept with this store: what was missed is not known.");
const letterList = list("api/v1/dead-letters?limit=20", records.letters, "None are kept with this store: what it cannot take is gone.");

document.addEventListener("visibilitychange", ask);
ask();
