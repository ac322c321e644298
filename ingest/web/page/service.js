// What the service is asked, and what is said when it does not answer.

const PATIENCE = 4_000; // milliseconds that an answer may take

// JSON of the service. Throws what says why there is none: with `status` when the service answered, and `told`, its own words.
export async function answer(path) {
  const response = await fetch(path, { cache: "no-store", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE) });
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  if (response.status === 401) throw Object.assign(new Error("it asks for its token: load this page again"), { status: 401 });
  throw Object.assign(new Error(said.error ?? `it answers ${response.status}`), { status: response.status, told: said.error });
}

export function words(problem) {
  if (problem.name === "TimeoutError") return `it does not answer within ${PATIENCE / 1000} s`;
  return problem instanceof TypeError ? "it cannot be reached" : problem.message;
}
