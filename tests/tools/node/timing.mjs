// Do answers betray, by how long they take, who has an account? Signs in with wrong passwords as somebody and as nobody, and
// asks for reset links, by turns; compares medians and, with the Kolmogorov-Smirnov test, whole distributions.
// `node timing.mjs [SAMPLES]`, 500 of each unless told otherwise.
import { demo } from "./demo.mjs";

const samples = Number(process.argv[2] ?? 500);
const { graphql, organizations, stop } = await demo();
const known = organizations[0].owner.email;

async function timed(query, input) {
  const body = JSON.stringify({ query, variables: { input } });
  const started = process.hrtime.bigint();
  const answer = await fetch(graphql, { method: "POST", headers: { "content-type": "application/json" }, body });
  const text = await answer.text();
  return { milliseconds: Number(process.hrtime.bigint() - started) / 1e6, status: answer.status, text };
}

const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];

/** The largest distance of the two distributions, and what chance alone exceeds once in a hundred times. */
function kolmogorov(a, b) {
  const all = [...new Set([...a, ...b])].sort((x, y) => x - y);
  const [left, right] = [a, b].map((times) => [...times].sort((x, y) => x - y));
  let [i, j, distance] = [0, 0, 0];
  for (const time of all) {
    while (i < left.length && left[i] <= time) i += 1;
    while (j < right.length && right[j] <= time) j += 1;
    distance = Math.max(distance, Math.abs(i / left.length - j / right.length));
  }
  return { distance, critical: 1.628 * Math.sqrt((a.length + b.length) / (a.length * b.length)) };
}

const login = "mutation ($input: LoginInput!) { login(input: $input) { session { accessToken } userErrors { code message } } }";
const reset = "mutation ($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) { userErrors { code message } } }";
const cases = {
  // More failures than the lockout lets through are compared too: those take as long.
  login: (email, index) => timed(login, { email, password: `wrong password ${index}` }),
  reset: (email) => timed(reset, { email }),
};

let failed = false;
try {
  for (const [name, ask] of Object.entries(cases)) {
    const times = { known: [], unknown: [] };
    const texts = new Set();
    for (let index = 0; index < samples + 20; index += 1) {
      for (const [who, email] of [["known", known], ["unknown", "nobody@acme.example"]]) {
        const { milliseconds, status, text } = await ask(email, index);
        texts.add(`${status} ${text}`);
        if (index >= 20) times[who].push(milliseconds);
      }
    }
    const [a, b] = [median(times.known), median(times.unknown)];
    const { distance, critical } = kolmogorov(times.known, times.unknown);
    const near = Math.abs(a - b) / Math.max(a, b) <= 0.05;
    const same = distance < critical;
    failed ||= !(near && same && texts.size === 1);
    console.log(`${near && same ? "ok  " : "MISS"} ${name}: medians ${a.toFixed(2)} and ${b.toFixed(2)} ms (within 5 %), ` +
      `distance ${distance.toFixed(3)} (chance: below ${critical.toFixed(3)}), ${texts.size} answer(s)`);
  }
} finally {
  stop();
}
process.exitCode = failed ? 1 : 0;
